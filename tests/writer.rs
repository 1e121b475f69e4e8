//! Tests of attacks by a writer of the repository, who has no key, on a developer who pulls. They use real git, a bare
//! repository and two clones, several umasks, with and without trust, the command and a program.

#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Output;

use envconf::key_store::KeyStore;
use envconf::{EncryptedConfig, Kind, LocalKey};
use envconf_test_support::Sandbox;

const ENVCONF: &str = env!("CARGO_BIN_EXE_envconf");
const UMASKS: [&str; 3] = ["022", "027", "077"];
const SECRET: &str = "kanarienvogel";

#[derive(EncryptedConfig)]
#[envconf(name = "app")]
struct App {
    token: String,
}

/// A bare repository, and the clones of a developer and of a writer.
struct Team {
    sandbox: Sandbox,
    umask: &'static str,
    /// `ENVCONF_TRUST` of the developer.
    trust: Option<String>,
    dev_key: LocalKey,
    evil_key: LocalKey,
}

impl Team {
    /// Makes a project with a sealed pair. The developer and the writer have different keys.
    fn new(umask: &'static str, is_trust_set: bool) -> Self {
        let sandbox = Sandbox::new();
        for directory in ["dev-home", "evil-home"] {
            std::fs::create_dir(sandbox.path(directory)).unwrap();
        }
        let keys = [(); 2].map(|()| LocalKey::generate().unwrap());
        let [dev_key, evil_key] = keys;
        let trust = is_trust_set.then(|| dev_key.key_ref().to_string());
        let mut team = Self { sandbox, umask, trust: None, dev_key, evil_key };
        team.evil_key.create(&team.sandbox.path("evil.key")).unwrap();
        std::fs::set_permissions(team.sandbox.path("evil.key"), std::fs::Permissions::from_mode(0o600))
            .unwrap();
        team.git(".", "init --quiet --bare origin");
        team.git(".", "clone --quiet origin dev");
        team.key_store().add(&team.dev_key).unwrap();
        team.key_store().enable(team.dev_key.key_ref(), &team.sandbox.path("dev")).unwrap();
        team.ok("dev", "init --quiet");
        team.sandbox.write("dev/config/app.toml", format!("token = \"{SECRET}\"\n"));
        team.ok("dev", "seal config/app.toml --quiet");
        team.git("dev", "add .");
        team.git("dev", "commit --quiet -m first");
        team.git("dev", "push --quiet origin HEAD");
        team.git(".", "clone --quiet origin evil");
        team.trust = trust;
        team
    }

    fn each(mut attack: impl FnMut(Self)) {
        for umask in UMASKS {
            for is_trust_set in [false, true] {
                attack(Self::new(umask, is_trust_set));
            }
        }
    }

    fn key_store(&self) -> KeyStore {
        KeyStore::at(self.sandbox.path("dev-home/store"))
    }

    /// Runs a script in `directory`, with this team's umask and the home directory of the directory's owner.
    fn shell(&self, directory: &str, script: &str) -> Output {
        let who = if directory == "evil" { "evil" } else { "dev" };
        let home = self.sandbox.path(&format!("{who}-home"));
        let mut command = self.sandbox.command("sh");
        command
            .args(["-c", &format!("umask {}\n{script}", self.umask)])
            .current_dir(self.sandbox.path(directory))
            .env("HOME", &home)
            .env("ENVCONF_HOME", home.join("store"))
            .envs([("GIT_CONFIG_GLOBAL", "/dev/null"), ("GIT_CONFIG_NOSYSTEM", "1")])
            .envs([("GIT_AUTHOR_NAME", who), ("GIT_AUTHOR_EMAIL", "who@example.com")])
            .envs([("GIT_COMMITTER_NAME", who), ("GIT_COMMITTER_EMAIL", "who@example.com")]);
        if let (Some(trust), "dev") = (&self.trust, who) {
            command.env("ENVCONF_TRUST", trust);
        }
        command.output().unwrap()
    }

    fn git(&self, directory: &str, arguments: &str) {
        let output = self.shell(directory, &format!("git {arguments}"));
        assert!(output.status.success(), "git {arguments}: {}", text(&output));
    }

    fn run(&self, directory: &str, arguments: &str) -> Output {
        self.shell(directory, &format!("'{ENVCONF}' {arguments} < /dev/null"))
    }

    fn ok(&self, directory: &str, arguments: &str) -> Output {
        let output = self.run(directory, arguments);
        assert!(output.status.success(), "envconf {arguments}: {}", text(&output));
        output
    }

    /// Runs a command of the developer. It must end with `status`, change no file of the clone, and show no secret.
    fn refused(&self, arguments: &str, status: i32) -> String {
        let before = self.files();
        let output = self.run("dev", arguments);
        let said = text(&output);
        assert_eq!(output.status.code(), Some(status), "envconf {arguments}: {said}");
        assert_eq!(self.files(), before, "envconf {arguments} changed a file");
        assert!(!said.contains(SECRET) && !said.contains("envconf-local-v1"), "{said}");
        said
    }

    fn files(&self) -> Vec<(String, Vec<u8>)> {
        let files = self.sandbox.snapshot().into_iter();
        files.filter(|(path, _)| path.starts_with("dev/") && !path.starts_with("dev/.git/")).collect()
    }

    /// Moves the writer's changes from his clone to the developer's clone.
    fn push_and_pull(&self) {
        self.git("evil", "add -f -A");
        self.git("evil", "commit --quiet -m 'Tidy up'");
        self.git("evil", "push --quiet origin HEAD");
        self.git("dev", "pull --quiet");
    }

    /// Loads with a program of the developer that does not set trust in its source.
    fn load(&self) -> Result<String, envconf::Error> {
        let home = self.sandbox.path("dev-home/store").to_string_lossy().into_owned();
        let mut variables = vec![("ENVCONF_HOME", home.as_str())];
        variables.extend(self.trust.as_deref().map(|trust| ("ENVCONF_TRUST", trust)));
        let loader = App::loader().dir(self.sandbox.path("dev/config")).variables(variables);
        loader.load().map(|app| app.token.clone())
    }

    fn recipients(&self) -> Vec<String> {
        let output = self.ok("dev", "recipients list app");
        String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect()
    }

    /// Writes the writer's key to `path` of his clone, and a pair sealed for it.
    fn plant(&self, path: &str) {
        let planted = self.sandbox.path("evil").join(path);
        std::fs::create_dir_all(planted.parent().unwrap()).unwrap();
        std::fs::copy(self.sandbox.path("evil.key"), &planted).unwrap();
        self.sandbox.write("evil.toml", "token = \"planted\"\n");
        self.ok("evil", &format!("keygen '{}' --quiet", self.fresh("unused").display()));
        let output = self.shell(
            "evil",
            &format!(
                "rm -f config/app.conf.*; cp ../evil.toml app.toml; \
                 ENVCONF_KEY_FILE=../evil.key '{ENVCONF}' seal app.toml -o config -r local && rm app.toml"
            ),
        );
        assert!(output.status.success(), "{}", text(&output));
    }

    fn fresh(&self, name: &str) -> PathBuf {
        self.sandbox.path(&format!("{name}-{}", self.sandbox.snapshot().len()))
    }
}

fn text(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// A committed local key is not adopted, in any directory.
#[test]
fn a_committed_local_key_is_not_adopted() {
    for path in ["config/.envconf/local-key", ".envconf/local-key", "keys/0123456789abcdef"] {
        Team::each(|team| {
            assert_eq!(team.load().unwrap(), SECRET);
            team.plant(path);
            team.push_and_pull();
            // Neither the command nor a program opens the writer's pair.
            for verb in
                ["verify app", "open app", "get app token", "exec app -- true", "export app", "explain app"]
            {
                let said = team.refused(verb, 34);
                if path.ends_with("local-key") {
                    assert!(said.contains("warning: git tracks the local key"), "{verb}: {said}");
                }
            }
            assert_eq!(team.load().unwrap_err().kind(), Kind::NoTrustedRecipient);
            // The developer seals for himself, even if the writer deleted files.
            for deleted in ["", "rm config/app.conf.key config/app.conf.enc", "rm .envconf.toml"] {
                if !deleted.is_empty() {
                    let output = team.shell("dev", deleted);
                    assert!(output.status.success() || deleted.contains("conf.key"), "{}", text(&output));
                }
                team.sandbox.write("dev/config/app.toml", format!("token = \"{SECRET}\"\n"));
                team.ok("dev", "seal config/app.toml");
                assert_eq!(team.recipients(), [team.dev_key.key_ref().to_string()], "{deleted}");
                assert_eq!(team.load().unwrap(), SECRET);
            }
        });
    }
}

/// A key in the developer's store does not make a pair of another project trusted.
#[test]
fn a_key_of_one_project_is_not_trusted_in_another() {
    Team::each(|team| {
        let shared = LocalKey::generate().unwrap();
        team.key_store().add(&shared).unwrap();
        std::fs::create_dir(team.sandbox.path("shared-project")).unwrap();
        team.key_store().enable(shared.key_ref(), &team.sandbox.path("shared-project")).unwrap();
        shared.create(&team.sandbox.path("shared.key")).unwrap();
        let output = team.shell(
            "evil",
            &format!(
                "rm config/app.conf.*; printf 'token = \"planted\"' > app.toml; \
                 ENVCONF_KEY_FILE=../shared.key '{ENVCONF}' seal app.toml -o config -r local && rm app.toml"
            ),
        );
        assert!(output.status.success(), "{}", text(&output));
        team.push_and_pull();
        let said = team.refused("open app", 34);
        if team.trust.is_none() {
            assert!(said.contains("in your key store, but not enabled for"), "{said}");
        }
        assert_eq!(team.load().unwrap_err().kind(), Kind::NoTrustedRecipient);
    });
}

/// The work tree contains no key, so no commit publishes or replaces one.
#[test]
fn a_commit_can_neither_publish_nor_replace_the_developers_key() {
    Team::each(|team| {
        team.sandbox.write("evil/.envconf/.gitignore", "*\n!local-key\n");
        team.sandbox.write("evil/.envconf/local-key", "not a key\n");
        team.push_and_pull();
        let path = team.key_store().path_of(team.dev_key.key_ref()).unwrap();
        assert_eq!(LocalKey::read(&path).unwrap().key_ref(), team.dev_key.key_ref());
        team.ok("dev", "seal config/app.toml --quiet");
        team.git("dev", "add -A");
        let tracked =
            text(&team.shell(
                "dev",
                "git ls-files -s | cut -d' ' -f2 | while read id; do git cat-file blob $id; done",
            ));
        assert!(!tracked.contains(&*team.dev_key.expose_text()) && !tracked.contains(SECRET), "{tracked}");
        assert_eq!(team.load().unwrap(), SECRET);
    });
}

/// A first seal asks before it uses the recipients of the rules.
#[test]
fn the_first_seal_asks_about_recipients_of_the_rules() {
    Team::each(|team| {
        let evil = team.evil_key.key_ref().to_string();
        let rules = format!("[[rule]]\nfiles = \"**\"\nrecipients = [\"local\", \"{evil}\"]\n");
        team.sandbox.write("evil/.envconf.toml", rules);
        for file in ["evil/config/app.conf.enc", "evil/config/app.conf.key"] {
            std::fs::remove_file(team.sandbox.path(file)).unwrap();
        }
        team.push_and_pull();
        let said = team.refused("seal config/app.toml", 61);
        assert!(said.contains(&evil), "{said}");
        // No key is used before the question, so `ENVCONF_KEY_CMD` does not run.
        let before = team.files();
        let output = team.shell(
            "dev",
            &format!("ENVCONF_KEY_CMD='touch asked' '{ENVCONF}' seal config/app.toml < /dev/null"),
        );
        assert_eq!((output.status.code(), team.files()), (Some(61), before), "{}", text(&output));
        if team.trust.is_some() {
            let said = team.refused("seal config/app.toml --yes", 61);
            assert!(said.contains("ENVCONF_TRUST") && said.contains("-r"), "{said}");
        }
        // An import is a first seal, too.
        team.sandbox.write("dev/.env", format!("TOKEN={SECRET}\n"));
        if team.trust.is_some() {
            team.refused("import --dotenv .env --name other -o config --yes", 61);
        }
        team.refused("import --dotenv .env --name other -o config", 61);
    });
}

/// The rules of a writer cannot add recipients to a pair, and cannot show more of the pair.
#[test]
fn rules_add_no_recipient_and_no_outline_without_a_confirmation() {
    Team::each(|team| {
        let evil = team.evil_key.key_ref().to_string();
        let rule = |more: &str| format!("[[rule]]\nfiles = \"**\"\nrecipients = [\"local\"{more}]\n");
        team.sandbox.write("evil/.envconf.toml", rule(&format!(", \"{evil}\"")));
        team.push_and_pull();
        for verb in ["seal config/app.toml", "rewrap app"] {
            team.refused(verb, 61);
            if team.trust.is_some() {
                team.refused(&format!("{verb} --yes"), 61);
            }
        }
        team.sandbox.write("evil/.envconf.toml", format!("{}outline = \"tags\"\n", rule("")));
        team.push_and_pull();
        let said = team.refused("seal config/app.toml", 61);
        assert!(said.contains("the names of all keys"), "{said}");
        team.ok("dev", "seal config/app.toml --yes");
        team.ok("dev", "seal config/app.toml");
    });
}

/// Rules that another user can write are rejected.
#[test]
fn rules_that_others_can_write_are_rejected() {
    let sandbox = Sandbox::new();
    let key = LocalKey::generate().unwrap();
    sandbox.own_key(&key.expose_text());
    sandbox.write("open/project/app.toml", "a = 1\n");
    let rules = "[[rule]]\nfiles = \"**\"\nrecipients = [\"local\"]\n";
    let path = sandbox.write("open/.envconf.toml", rules);
    let seal = || {
        let output = sandbox.command(ENVCONF).args(["seal", "open/project/app.toml"]).output().unwrap();
        (output.status.code(), text(&output))
    };
    let chmod =
        |path: &Path, mode| std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    let directory = sandbox.path("open");
    for (file_mode, directory_mode, status) in [
        (0o644, 0o755, 0),
        (0o664, 0o775, 0),
        (0o646, 0o755, 2),
        (0o666, 0o755, 2),
        (0o644, 0o757, 2),
        (0o644, 0o1777, 2),
    ] {
        chmod(&path, file_mode);
        chmod(&directory, directory_mode);
        let (code, said) = seal();
        assert_eq!(code, Some(status), "{file_mode:o} in {directory_mode:o}: {said}");
        assert!(status == 0 || said.contains("very user can write to"), "{said}");
    }
    chmod(&directory, 0o755);
    std::fs::remove_file(&path).unwrap();
    for target in ["elsewhere.toml", "/dev/null", "/dev/zero", "/dev/stdin"] {
        let _ = std::fs::remove_file(&path);
        sandbox.write("open/elsewhere.toml", rules);
        std::os::unix::fs::symlink(target, &path).unwrap();
        assert_eq!(seal().0, Some(2), "a link to {target}");
    }
    // As root, the rules can belong to another user. Other users cannot change the owner of a file.
    if std::fs::metadata("/").is_ok_and(|root| {
        std::fs::metadata(sandbox.root()).is_ok_and(|own| {
            use std::os::unix::fs::MetadataExt as _;
            root.uid() == 0 && own.uid() == 0
        })
    }) {
        std::fs::remove_file(&path).unwrap();
        sandbox.write("open/.envconf.toml", rules);
        std::os::unix::fs::chown(&path, Some(12345), None).unwrap();
        let (code, said) = seal();
        assert_eq!(code, Some(2), "{said}");
    }
}

/// Plain layers may be links, like those of Kubernetes. A link to a device is rejected at once.
#[test]
fn plain_layers_may_be_links_to_regular_files() {
    let team = Team::new("022", false);
    std::fs::create_dir(team.sandbox.path("dev/config/..data")).unwrap();
    team.sandbox.write("dev/config/..data/app.defaults.toml", "");
    let layer = team.sandbox.path("dev/config/app.defaults.toml");
    std::os::unix::fs::symlink("..data/app.defaults.toml", &layer).unwrap();
    assert_eq!(team.load().unwrap(), SECRET);
    for device in ["/dev/ptmx", "/dev/zero", "/dev/stdin", "/dev/tty"] {
        std::fs::remove_file(&layer).unwrap();
        std::os::unix::fs::symlink(device, &layer).unwrap();
        assert_eq!(team.load().unwrap_err().kind(), Kind::Io, "{device}");
        team.refused("explain app", 10);
    }
}

/// A revert does not bring back a removed recipient. An older pair makes no recipient trusted until it is accepted.
#[test]
fn a_restored_older_pair_makes_no_recipient_trusted() {
    Team::each(|team| {
        let evil = team.evil_key.key_ref().to_string();
        // Without rules, the recipients of the pair are used.
        std::fs::remove_file(team.sandbox.path("dev/.envconf.toml")).unwrap();
        let own = team.key_store().path_of(team.dev_key.key_ref()).unwrap();
        let both = format!(
            "ENVCONF_KEY_FILE='{}:../evil.key' '{ENVCONF}' seal config/app.toml -r local",
            own.display()
        );
        let output = team.shell("dev", &both);
        assert!(output.status.success(), "{}", text(&output));
        team.git("dev", "add -A");
        team.git("dev", "commit --quiet -m both");
        team.git("dev", "push --quiet origin HEAD");
        team.ok("dev", &format!("recipients remove app {evil}"));
        team.git("dev", "commit --quiet -a -m one");
        team.git("dev", "push --quiet origin HEAD");
        team.git("evil", "pull --quiet");
        team.git("evil", "revert --no-edit HEAD");
        team.git("evil", "push --quiet origin HEAD");
        team.git("dev", "pull --quiet");
        for verb in [
            "seal config/app.toml",
            "unset app token",
            "rotate app",
            "rewrap app",
            "verify app",
            "recipients add app local:-:0000000000000000",
        ] {
            let said = team.refused(verb, 32);
            assert!(said.contains("--accept-older"), "{verb}: {said}");
        }
        let said = text(&team.ok("dev", "open app"));
        assert!(said.contains("warning:") && said.contains("older than generation 3"), "{said}");
        assert!(text(&team.ok("dev", "status")).contains("older than 3, which you already used"));
        let said = text(&team.ok("dev", "verify app --accept-older"));
        assert!(said.contains(&evil), "{said}");
        team.ok("dev", "seal config/app.toml");
        assert!(team.recipients().contains(&evil), "the accepted pair must have the recipient");
    });
}

/// envconf remembers the last generation of a deleted pair. The next seal has a higher one.
#[test]
fn a_deleted_pair_does_not_lower_the_generation() {
    let team = Team::new("022", false);
    team.ok("dev", "seal config/app.toml");
    team.git("dev", "rm --quiet -f config/app.conf.enc config/app.conf.key");
    let output = team.ok("dev", "seal config/app.toml --json");
    assert!(text(&output).contains("\"generation\":3"), "{}", text(&output));
}

/// A plain file that git tracks is not sealed.
#[test]
fn a_plain_file_that_git_tracks_is_rejected() {
    Team::each(|team| {
        team.sandbox.write("evil/config/app.toml", "token = \"change-me\"\n");
        team.push_and_pull();
        let said = team.refused("seal config/app.toml", 2);
        assert!(said.contains("git tracks this plain file") && said.contains("git rm --cached"), "{said}");
        team.ok("dev", "seal config/app.toml --tracked");
        // A file that git does not ignore is sealed with a warning.
        team.sandbox.write("dev/other.toml", "a = 1\n");
        let said = text(&team.ok("dev", "seal other.toml"));
        assert!(said.contains("warning: git does not ignore other.toml"), "{said}");
        // The same is true for keys.
        team.sandbox.write("evil/release.signer", "x");
        team.push_and_pull();
        std::fs::remove_file(team.sandbox.path("dev/release.signer")).unwrap();
        team.refused("keygen release.signer", 2);
        team.refused("signer new release.signer", 2);
        let said = text(&team.ok("dev", "keygen app.local"));
        assert!(said.contains("warning: git does not ignore app.local"), "{said}");
    });
}

/// Tracked files can look like a bare repository. Git must not use them in answers about a planted key or a plain file.
#[test]
fn a_tracked_bare_repository_is_not_used() {
    Team::each(|team| {
        team.plant(".envconf/local-key");
        for directory in ["evil/.envconf", "evil/config"] {
            team.sandbox.write(&format!("{directory}/HEAD"), "ref: refs/heads/main\n");
            for file in ["objects/x", "refs/x"] {
                team.sandbox.write(&format!("{directory}/{file}"), "");
            }
            team.sandbox.write(&format!("{directory}/info/exclude"), "*\n");
            let config = "[core]\n\trepositoryformatversion = 0\n\tbare = false\n\tworktree = .\n";
            team.sandbox.write(&format!("{directory}/config"), config);
        }
        team.sandbox.write("evil/config/app.toml", "token = \"planted\"\n");
        team.push_and_pull();
        let said = text(&team.ok("dev", "init --yes"));
        assert!(!said.contains("Moved"), "{said}");
        team.refused("open app", 34);
        for directory in ["dev", "dev/config"] {
            let file = if directory == "dev" { "config/app.toml" } else { "app.toml" };
            let output = team.run(directory, &format!("seal {file}"));
            let said = text(&output);
            assert_eq!(output.status.code(), Some(2), "{said}");
            assert!(said.contains("git tracks this plain file"), "{said}");
        }
        // Variables that git sets in hooks of another repository are not used, either.
        let output =
            team.shell("dev", &format!("GIT_DIR=\"$PWD/../evil/.git\" '{ENVCONF}' seal config/app.toml"));
        assert_eq!(output.status.code(), Some(2), "{}", text(&output));
    });
}

/// A planted key is not moved into the store if git cannot report whether the key is tracked.
#[test]
fn a_key_is_not_moved_if_git_does_not_run() {
    let team = Team::new("077", false);
    team.key_store().disable(team.dev_key.key_ref(), &team.sandbox.path("dev")).unwrap();
    team.plant(".envconf/local-key");
    team.push_and_pull();
    let output = team.shell("dev", &format!("PATH=/nonexistent '{ENVCONF}' init --yes"));
    let said = text(&output);
    assert!(output.status.success() && !said.contains("Moved") && said.contains("is not used"), "{said}");
    assert!(team.sandbox.exists("dev/.envconf/local-key"));
    // The target of a link is not moved, either.
    team.git("dev", "rm -r --quiet -f .envconf");
    team.sandbox.write("elsewhere/local-key", "");
    std::fs::remove_file(team.sandbox.path("elsewhere/local-key")).unwrap();
    team.evil_key.create(&team.sandbox.path("elsewhere/local-key")).unwrap();
    std::os::unix::fs::symlink("../elsewhere", team.sandbox.path("dev/.envconf")).unwrap();
    let said = text(&team.ok("dev", "init --yes"));
    assert!(!said.contains("Moved") && team.sandbox.exists("elsewhere/local-key"), "{said}");
}

/// An older pair stays an older pair if it is moved within the repository.
#[test]
fn a_moved_older_pair_makes_no_recipient_trusted() {
    for script in [
        "git checkout HEAD~1 -- config && git mv config/app.conf.enc config/app.conf.key .",
        "git checkout HEAD~1 -- config && mv config conf2 && ln -s conf2 config && git add -A",
    ] {
        let team = Team::new("022", false);
        team.ok("dev", "seal config/app.toml");
        team.git("dev", "commit --quiet -a -m second");
        team.git("dev", "push --quiet origin HEAD");
        team.git("evil", "pull --quiet");
        let output = team.shell("evil", script);
        assert!(output.status.success(), "{}", text(&output));
        team.git("evil", "commit --quiet -a -m moved");
        team.git("evil", "push --quiet origin HEAD");
        std::fs::remove_file(team.sandbox.path("dev/config/app.toml")).unwrap();
        team.git("dev", "pull --quiet");
        team.refused("unset app token", 32);
        team.refused("verify app", 32);
    }
}

/// A restored `.key` without its `.enc` makes no recipient trusted, either. `rewrap` does not increase the generation.
#[test]
fn a_restored_older_key_file_makes_no_recipient_trusted() {
    let team = Team::new("022", false);
    let evil = team.evil_key.key_ref().to_string();
    std::fs::remove_file(team.sandbox.path("dev/.envconf.toml")).unwrap();
    let own = team.key_store().path_of(team.dev_key.key_ref()).unwrap();
    let both = format!("ENVCONF_KEY_FILE='{}:../evil.key' '{ENVCONF}'", own.display());
    for arguments in [format!("{both} rewrap app -r local"), "cp config/app.conf.key ../both".into()] {
        let output = team.shell("dev", &arguments);
        assert!(output.status.success(), "{}", text(&output));
    }
    team.ok("dev", "rewrap app -r local");
    team.ok("dev", "verify app");
    std::fs::copy(team.sandbox.path("both"), team.sandbox.path("dev/config/app.conf.key")).unwrap();
    for verb in ["seal config/app.toml", "unset app token", "rotate app", "verify app"] {
        let said = team.refused(verb, 32);
        assert!(said.contains(&evil) && said.contains("--accept-older"), "{verb}: {said}");
    }
    // Opening the pair does not make its `.key` the known one.
    team.ok("dev", "get app token");
    team.refused("rotate app", 32);
    team.ok("dev", "verify app --accept-older");
    team.ok("dev", "unset app token");
}

/// Every verb that opens an older pair warns of it.
#[test]
fn every_verb_that_reads_warns_of_an_older_pair() {
    let team = Team::new("022", false);
    team.ok("dev", "seal config/app.toml");
    team.git("dev", "checkout --quiet HEAD -- config");
    for verb in [
        "open app",
        "get app token",
        "exec app -- true",
        "exec app --file -- true {}",
        "export app",
        "explain app",
        "recipients list app",
        "diff app app --open",
        "doctor app",
    ] {
        let said = text(&team.ok("dev", verb));
        assert!(said.contains("warning:") && said.contains("older than generation 2"), "{verb}: {said}");
    }
}

/// The home directory is a repository, so its key store could be committed.
#[test]
fn a_store_in_the_repository_is_rejected_before_a_key_is_made() {
    let sandbox = Sandbox::new();
    let run = |arguments: &[&str], directory: &str| {
        let mut command = sandbox.command(ENVCONF);
        command
            .args(arguments)
            .current_dir(sandbox.path(directory))
            .env_remove("ENVCONF_HOME")
            .output()
            .unwrap()
    };
    assert!(sandbox.command("git").args(["init", "--quiet"]).status().unwrap().success());
    std::fs::create_dir_all(sandbox.path("notes")).unwrap();
    let before = sandbox.snapshot();
    let output = run(&["init"], "notes");
    assert_eq!(output.status.code(), Some(43), "{}", text(&output));
    assert_eq!(sandbox.snapshot(), before);
    // A project with a separate repository is accepted. The repository of the home directory causes a warning.
    assert!(sandbox.command("git").args(["init", "--quiet", "notes"]).status().unwrap().success());
    let output = run(&["init"], "notes");
    assert!(
        output.status.success() && text(&output).contains("warning: git does not ignore"),
        "{}",
        text(&output)
    );
}

/// `init` does not write through a link.
#[test]
fn init_does_not_follow_a_config_directory_that_is_a_link() {
    let team = Team::new("022", false);
    std::fs::create_dir(team.sandbox.path("outside")).unwrap();
    std::fs::remove_dir_all(team.sandbox.path("dev/config")).unwrap();
    std::os::unix::fs::symlink("../outside", team.sandbox.path("dev/config")).unwrap();
    team.refused("init", 2);
    assert_eq!(std::fs::read_dir(team.sandbox.path("outside")).unwrap().count(), 0);
}

/// Names that are not UTF-8 and unreadable directories do not stop `status` and `init`.
#[test]
fn odd_names_in_the_tree_do_not_stop_status_and_init() {
    use std::os::unix::ffi::OsStrExt as _;
    let team = Team::new("022", false);
    let odd = team.sandbox.path("dev").join(std::ffi::OsStr::from_bytes(b"x\xff"));
    std::fs::create_dir(&odd).unwrap();
    std::fs::copy(team.sandbox.path("dev/config/app.conf.enc"), odd.join("app.conf.enc")).unwrap();
    team.ok("dev", "status");
    team.key_store().disable(team.dev_key.key_ref(), &team.sandbox.path("dev")).unwrap();
    team.ok("dev", "init --yes");
}
