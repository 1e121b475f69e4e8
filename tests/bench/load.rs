//! A load with the local key, beside loaders that read the same text as a plain file into the same struct.

use std::time::Duration;

use envconf::EncryptedConfig as _;
use figment::providers::Format as _;

use crate::config::App;
use crate::measure::{Aim, race, whole};
use crate::project::Project;

pub(crate) fn run() {
    let project = Project::new();
    project.install_key();
    // `App::load()` begins in the working directory.
    let before = std::env::current_dir().unwrap();
    std::env::set_current_dir(project.sandbox.root()).unwrap();
    let (dir, plain) = (project.sandbox.path("config"), project.sandbox.path("config/app.toml"));

    let given = || {
        let loader = App::loader().dir(&dir).local_key(project.key.clone());
        loader.variables::<&str, &str>([]).load().unwrap()
    };
    let bare = || toml::from_str::<App>(&std::fs::read_to_string(&plain).unwrap()).unwrap();
    let figment = || {
        let file = figment::providers::Toml::file(&plain);
        figment::Figment::new().merge(file).extract::<App>().unwrap()
    };
    let config = || {
        let config = config::Config::builder().add_source(config::File::from(plain.as_path())).build();
        config.unwrap().try_deserialize::<App>().unwrap()
    };
    let found = || App::load().unwrap();
    let race = race(
        Duration::from_secs(6),
        [whole(given), whole(found), whole(bare), whole(figment), whole(config)],
    );
    for (name, ours) in [("load, local key given", 0), ("load, local key found, process's own", 1)] {
        race.compare(name, |t| t[ours], "read, toml::from_str", |t| t[2], Aim::Within(1.5));
        race.compare(name, |t| t[ours], "figment", |t| t[3], Aim::Faster);
        race.compare(name, |t| t[ours], "config-rs", |t| t[4], Aim::Faster);
    }
    std::env::set_current_dir(before).unwrap();
}
