//! Measures a load with the local key, compared with loaders that read the same plain file into the same struct.

use std::time::Duration;

use envconf::pair::open_bytes;
use envconf::{EncryptedConfig as _, KeyServices, Policy};
use figment::providers::Format as _;

use crate::config::App;
use crate::measure::{Aim, race, whole};
use crate::project::Project;

/// A function that computes the seconds of a phase from the seconds of all contestants.
type Phase = fn(&[f64; 7]) -> f64;

pub(crate) fn run() {
    let project = Project::new();
    project.install_key();
    // `App::load()` searches from the working directory.
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
    // Measure each phase of a load separately.
    let files = [dir.join("app.conf.enc"), dir.join("app.conf.key")];
    let [enc, key] = files.each_ref().map(|file| std::fs::read(file).unwrap());
    let policy = Policy::new("app".parse().unwrap(), "default".parse().unwrap());
    let services = KeyServices::none().local_key(project.key.clone());
    let read = || files.each_ref().map(|file| std::fs::read(file).unwrap());
    let open = || open_bytes(&enc, &key, &policy, &services).unwrap();
    let race = race(
        Duration::from_secs(6),
        [whole(given), whole(found), whole(bare), whole(figment), whole(config), whole(read), whole(open)],
    );
    let phases: [(&str, Phase); 4] = [
        ("  reading both files", |t| t[5]),
        ("  unwrapping and decrypting", |t| t[6]),
        ("  parsing, building, origins", |t| t[0] - t[5] - t[6]),
        ("  finding the key, variables, no origins", |t| t[1] - t[0]),
    ];
    for (name, phase) in phases {
        race.compare(name, phase, "load, local key given", |t| t[0], Aim::None);
    }
    for (name, ours) in [("load, local key given", 0), ("load, local key from the key store", 1)] {
        race.compare(name, |t| t[ours], "read, toml::from_str", |t| t[2], Aim::Within(2.0));
        race.compare(name, |t| t[ours], "figment", |t| t[3], Aim::Faster);
        race.compare(name, |t| t[ours], "config-rs", |t| t[4], Aim::Faster);
    }
    std::env::set_current_dir(before).unwrap();
}
