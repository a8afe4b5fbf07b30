//! Bodies of the fuzz targets for maps.

mod asker;
mod compiled;
mod index;
mod laid_out;
mod patterns;

pub(crate) use compiled::compiled_map;
pub(crate) use index::map;
pub(crate) use laid_out::map_fmt;
pub(crate) use patterns::path_pattern;
