//! Directories of files.
