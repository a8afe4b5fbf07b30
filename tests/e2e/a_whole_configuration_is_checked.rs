//! `confinectl check` looks at a whole configuration as httpd reads it.

use confine_tests::{Cell, matrix};

fn placeholder(_: Cell) {}
matrix!(placeholder once);
