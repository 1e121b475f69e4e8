//! The process that loads a pair and then searches its own memory.

use std::sync::atomic::Ordering;

use envconf::{EncryptedConfig, Loader};

use crate::freed::{self, LOOKS, SEARCHER, WIPES};
use crate::needles::{Needle, Searcher};
use crate::scan;
use crate::types::{App, Buffered, Shapes};

/// The variable that passes the needles to the child.
pub const NEEDLES: &str = "ENVCONF_MEMORY_NEEDLES";
pub const DIRECTORY: &str = "ENVCONF_MEMORY_DIRECTORY";
pub const TRUST: &str = "ENVCONF_MEMORY_TRUST";
/// Lines of `NAME=value`.
pub const VARIABLES: &str = "ENVCONF_MEMORY_VARIABLES";
/// Lines of a name, a masked value and its mask.
pub const SECRET_VARIABLES: &str = "ENVCONF_MEMORY_SECRET_VARIABLES";
pub const BUFFERED: &str = "ENVCONF_MEMORY_BUFFERED";
pub const SHAPES: &str = "ENVCONF_MEMORY_SHAPES";
pub const ASYNC: &str = "ENVCONF_MEMORY_ASYNC";
pub const WIPING: &str = "ENVCONF_MEMORY_WIPING";
pub const FAILS: &str = "ENVCONF_MEMORY_FAILS";
/// The beginning of each line that the parent reads.
pub const MARK: &str = "memory ";

pub fn run() {
    let Ok(needles) = std::env::var(NEEDLES) else { return };
    WIPES.store(std::env::var_os(WIPING).is_some(), Ordering::Relaxed);
    assert!(SEARCHER.set(Searcher::new(Needle::read(&needles))).is_ok());
    tell("before");
    if std::env::var_os(BUFFERED).is_some() {
        load::<Buffered>()
    } else if std::env::var_os(SHAPES).is_some() {
        load::<Shapes>()
    } else {
        load::<App>()
    }
    LOOKS.store(false, Ordering::Relaxed);
    tell("dropped");
    for (index, needle) in SEARCHER.get().unwrap().needles().iter().enumerate() {
        println!("{MARK}freed {} {}", needle.name, freed::found(index));
    }
}

fn load<T: EncryptedConfig + Send + 'static>() {
    let runtime = std::env::var_os(ASYNC).map(|_| tokio::runtime::Runtime::new().unwrap());
    LOOKS.store(true, Ordering::Relaxed);
    let loaded = match &runtime {
        Some(runtime) => runtime.block_on(runtime.spawn(loader::<T>().load_async())).unwrap(),
        None => loader::<T>().load(),
    };
    tell("loaded");
    assert_eq!(loaded.is_err(), std::env::var_os(FAILS).is_some(), "{:?}", loaded.err());
}

fn loader<T: EncryptedConfig>() -> Loader<T> {
    let variables = std::env::var(VARIABLES).unwrap();
    let variables = variables.lines().map(|line| line.split_once('=').unwrap());
    let variables = variables.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let secrets = Needle::read(&std::env::var(SECRET_VARIABLES).unwrap_or_default());
    let secrets = secrets.into_iter().map(|secret| (secret.name.clone(), secret.unmasked()));
    let loader = T::loader().dir(std::env::var(DIRECTORY).unwrap()).trust(std::env::var(TRUST).unwrap());
    loader.variables(variables.chain(secrets))
}

/// Prints how often memory contains the pieces of each needle: the lowest and highest number, and the places.
fn tell(stage: &str) {
    let searcher = SEARCHER.get().unwrap();
    let hits = scan::scan(searcher);
    for (index, needle) in searcher.needles().iter().enumerate() {
        let count = |piece| hits.iter().filter(|hit| (hit.needle, hit.piece) == (index, piece)).count();
        let counts = (0..needle.pieces()).map(count);
        let (min, max) = (counts.clone().min().unwrap(), counts.max().unwrap());
        let places = hits.iter().filter(|hit| hit.needle == index);
        let places: Vec<_> =
            places.map(|hit| format!("{}@{}", hit.piece, hit.place.replace(' ', "/"))).collect();
        println!("{MARK}{stage} {} {min} {max} {}", needle.name, places.join(" "));
    }
}
