//! envconf
