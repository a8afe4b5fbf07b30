//! Whole maps: files, columns, and the index against a scan from the top.
