//! The derive of envconf.
