//! Tests of age keys: envconf seals for recipients, opens with identities, and rejects pairs without a signer.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use envconf::format::KeyFile;
use envconf::key_store::KeyStore;
use envconf::kms::AgeIdentity;
use envconf::pair::{Depth, Rewrap, SigningKey, open_bytes};
use envconf::testing::contract;
use envconf::{
    ContentType, EncryptedConfig, KeyRef, KeyServices, Kind, LocalKey, Name, Pair, Policy, Seal, Trusted,
};

const CONTENT: &[u8] = b"port = 8080\n";

#[derive(EncryptedConfig, Debug)]
#[envconf(name = "app")]
struct App {
    port: u16,
}

fn names() -> (Name, Name) {
    ("app".parse().unwrap(), "default".parse().unwrap())
}

fn policy(signer: Option<&SigningKey>) -> Policy {
    let (name, environment) = names();
    let policy = Policy::new(name, environment);
    match signer {
        Some(signer) => policy.signers(vec![signer.public()], 1).unwrap(),
        None => policy,
    }
}

fn seal(keys: &[&KeyRef]) -> Seal {
    let (name, environment) = names();
    let seal = Seal::new(name, environment, ContentType::Toml);
    keys.iter().fold(seal, |seal, key| seal.recipient((*key).clone()))
}

fn with(identity: &AgeIdentity) -> KeyServices {
    KeyServices::none().age_identity(identity.clone())
}

#[test]
fn age_passes_the_contract() {
    let (one, two) = (AgeIdentity::generate().unwrap(), AgeIdentity::generate().unwrap());
    let services = with(&one).age_identity(two.clone());
    assert_eq!(contract(&services, one.key_ref(), two.key_ref()), Ok(()));
    let text = format!("{}\n{}", *one.expose_text(), *two.expose_text());
    let given = KeyServices::from_given([("ENVCONF_AGE_KEY", text.as_str())]).unwrap();
    assert_eq!(contract(&given, one.key_ref(), two.key_ref()), Ok(()));
    // A recipient without its identity cannot unwrap.
    let stranger = AgeIdentity::generate().unwrap();
    assert!(contract(&services, stranger.key_ref(), one.key_ref()).is_err());
}

#[test]
fn pairs_for_public_keys_alone_need_a_signer() {
    let (identity, local) = (AgeIdentity::generate().unwrap(), LocalKey::generate().unwrap());
    let signer = SigningKey::generate().unwrap();
    let services = with(&identity).local_key(local.clone());
    let error = seal(&[identity.key_ref()]).seal_bytes(CONTENT, &services).unwrap_err();
    assert_eq!((error.kind(), error.exit_code()), (Kind::SignatureRequired, 33));
    // An unsigned pair can be sealed for a later signature.
    seal(&[identity.key_ref()]).unsigned().seal_bytes(CONTENT, &services).unwrap();
    // With a recipient that authenticates, a signature is not necessary.
    let (enc, key) = seal(&[identity.key_ref(), local.key_ref()]).seal_bytes(CONTENT, &services).unwrap();
    open_bytes(&enc, &key, &policy(None), &services).unwrap();
    assert_eq!(open_bytes(&enc, &key, &policy(None), &with(&identity)).unwrap_err().exit_code(), 33);

    let (enc, key) = seal(&[identity.key_ref()]).sign(signer.clone()).seal_bytes(CONTENT, &services).unwrap();
    for services in [with(&identity), KeyServices::none()] {
        let trusting = policy(None).trust([Trusted::Key(identity.key_ref().clone())]);
        assert_eq!(open_bytes(&enc, &key, &trusting, &services).unwrap_err().kind(), Kind::SignatureRequired);
    }
    assert_eq!(open_bytes(&enc, &key, &policy(None), &services).unwrap_err().exit_code(), 33);
    let opened = open_bytes(&enc, &key, &policy(Some(&signer)), &with(&identity)).unwrap();
    assert_eq!((opened.content(), opened.unwrapped_by()), (CONTENT, identity.key_ref()));
    let other = SigningKey::generate().unwrap();
    assert_eq!(open_bytes(&enc, &key, &policy(Some(&other)), &services).unwrap_err().exit_code(), 33);
}

/// Everybody who knows a public key can create a complete pair.
#[test]
fn a_pair_of_another_signer_is_rejected() {
    let (identity, signer) = (AgeIdentity::generate().unwrap(), SigningKey::generate().unwrap());
    let forger = SigningKey::generate().unwrap();
    let (enc, key) =
        seal(&[identity.key_ref()]).sign(forger).seal_bytes(b"port = 1\n", &KeyServices::none()).unwrap();
    assert_eq!(open_bytes(&enc, &key, &policy(Some(&signer)), &with(&identity)).unwrap_err().exit_code(), 33);
}

#[test]
fn identities_are_trusted_like_local_keys() {
    let (mine, other) = (AgeIdentity::generate().unwrap(), AgeIdentity::generate().unwrap());
    let signer = SigningKey::generate().unwrap();
    let pinned = policy(Some(&signer));
    let (enc, key) = seal(&[mine.key_ref(), other.key_ref()])
        .sign(signer.clone())
        .seal_bytes(CONTENT, &KeyServices::none())
        .unwrap();
    let opens = |policy: &Policy, services: &KeyServices| {
        open_bytes(&enc, &key, policy, services).map(|opened| opened.unwrapped_by().clone())
    };
    // Passed identities need no trust. Other recipients are not tried.
    assert_eq!(opens(&pinned, &with(&mine)).unwrap(), *mine.key_ref());
    assert_eq!(opens(&pinned, &with(&mine).age_identity(other.clone())).unwrap(), *mine.key_ref());
    let stranger = AgeIdentity::generate().unwrap();
    assert_eq!(opens(&pinned, &with(&stranger)).unwrap_err().exit_code(), 34);
    let error = opens(&pinned, &KeyServices::none()).unwrap_err();
    assert_eq!(error.exit_code(), 34);
    assert!(error.to_string().contains("ENVCONF_AGE_KEY_FILE"), "{error}");
    // Passed identities come first, unless the list of trusted keys names them.
    let trusts = |key: &KeyRef| pinned.clone().trust([Trusted::Key(key.clone())]);
    assert_eq!(
        opens(&trusts(other.key_ref()), &with(&mine).age_identity(other.clone())).unwrap(),
        *mine.key_ref()
    );
    let error = opens(&trusts(other.key_ref()), &KeyServices::none()).unwrap_err();
    assert_eq!(error.exit_code(), 42, "{error}");
    assert!(error.attempts()[0].advice().is_some());
}

#[test]
fn keys_of_the_store_are_used_where_they_are_enabled() {
    let directory = tempfile::tempdir().unwrap();
    let (home, here, there) =
        (directory.path().join("home"), directory.path().join("here"), directory.path().join("there"));
    [&here, &there].into_iter().for_each(|directory| std::fs::create_dir(directory).unwrap());
    let store = KeyStore::at(&home);
    let (identity, signer) = (AgeIdentity::generate().unwrap(), SigningKey::generate().unwrap());
    let path = store.add_age(&identity).unwrap();
    store.enable(identity.key_ref(), &here).unwrap();
    let (name, environment) = names();
    let load = |directory: &Path, variables: &[(&str, &str)]| {
        let pair = Pair::new(directory, &name, &environment);
        seal(&[identity.key_ref()]).sign(signer.clone()).seal(&pair, CONTENT, &KeyServices::none()).unwrap();
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", "a_child_loads", "--nocapture", "--ignored"]).env_clear();
        command.env("ENVCONF_HOME", &home).env("ENVCONF_DIR", directory).envs(variables.iter().copied());
        let output = command.stdout(Stdio::piped()).stderr(Stdio::piped()).output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    let public = signer.public().to_string();
    let pinned = ("ENVCONF_SIGNERS", public.as_str());
    assert!(load(&here, &[pinned]).contains("port 8080"));
    assert!(load(&here, &[]).contains("exit 33"));
    assert!(load(&there, &[pinned]).contains("exit 34"));
    let trust = identity.key_ref().to_string();
    assert!(load(&there, &[pinned, ("ENVCONF_TRUST", &trust)]).contains("exit 42"));
    assert!(load(&here, &[pinned, ("ENVCONF_TRUST", &trust)]).contains("port 8080"));
    let file = path.to_str().unwrap();
    assert!(load(&there, &[pinned, ("ENVCONF_AGE_KEY_FILE", file)]).contains("port 8080"));
    assert!(load(&there, &[pinned, ("ENVCONF_AGE_KEY_CMD", &format!("cat '{file}'"))]).contains("port 8080"));
    assert!(load(&there, &[pinned, ("ENVCONF_AGE_KEY", &identity.expose_text())]).contains("port 8080"));
    let two = [pinned, ("ENVCONF_AGE_KEY", &identity.expose_text()), ("ENVCONF_AGE_KEY_FILE", file)];
    assert!(load(&there, &two).contains("exit 2"));
    let sops = load(&there, &[pinned, ("SOPS_AGE_KEY_FILE", file)]);
    assert!(sops.contains("exit 34") && sops.contains("SOPS_AGE_KEY_FILE is set"), "{sops}");
    assert!(load(&here, &[pinned, ("ENVCONF_AGE_KEY", "canary")]).contains("exit 43"));
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
        assert!(load(&here, &[pinned]).contains("exit 43"), "other users can read the key");
    }
}

#[test]
#[ignore = "the child of keys_of_the_store_are_used_where_they_are_enabled"]
fn a_child_loads() {
    #[allow(clippy::print_stdout, reason = "the parent reads it")]
    match App::load() {
        Ok(app) => println!("port {}", app.port),
        Err(error) => println!("exit {} {error}", error.exit_code()),
    }
}

#[test]
fn sealing_again_keeps_the_data_key_for_its_signer() {
    let directory = tempfile::tempdir().unwrap();
    let (name, environment) = names();
    let pair = Pair::new(directory.path(), &name, &environment);
    let (identity, signer) = (AgeIdentity::generate().unwrap(), SigningKey::generate().unwrap());
    let services = with(&identity);
    let signed = seal(&[identity.key_ref()]).sign(signer.clone());
    let data_key = |seal: &Seal| seal.seal(&pair, CONTENT, &services).unwrap().data_key();
    assert_eq!(data_key(&signed), envconf::pair::DataKeyUse::First);
    assert_eq!(data_key(&signed), envconf::pair::DataKeyUse::Kept);
    // The signature of another signer does not authenticate the recipients.
    let other = seal(&[identity.key_ref()]).sign(SigningKey::generate().unwrap());
    assert_eq!(data_key(&other), envconf::pair::DataKeyUse::OldPairNotOpened);
}

#[test]
fn rewrapping_never_creates_a_pair_that_nobody_can_open() {
    let directory = tempfile::tempdir().unwrap();
    let (name, environment) = names();
    let pair = Pair::new(directory.path(), &name, &environment);
    let (identity, local) = (AgeIdentity::generate().unwrap(), LocalKey::generate().unwrap());
    let services = with(&identity).local_key(local.clone());
    seal(&[local.key_ref()]).seal(&pair, CONTENT, &services).unwrap();
    let before = pair.read_key().unwrap();
    let rewrap = |keys: &[&KeyRef]| {
        let rewrap = Rewrap::new(policy(None));
        keys.iter().fold(rewrap, |rewrap, key| rewrap.recipient((*key).clone())).rewrap(&pair, &services)
    };
    assert_eq!(rewrap(&[identity.key_ref()]).unwrap_err().exit_code(), 33);
    assert_eq!(pair.read_key().unwrap(), before);
    rewrap(&[local.key_ref(), identity.key_ref()]).unwrap();
    assert_eq!(envconf::verify(&pair, &policy(None), &services, Depth::Full).unwrap().recipients().len(), 2);
}

#[test]
fn errors_name_other_recipients_and_do_not_repeat_secrets() {
    let secret = AgeIdentity::generate().unwrap().expose_text();
    let long = format!("age:-:age1pq1{}", "q".repeat(1900));
    for (text, says) in [
        ("age:-:age1yubikey1q2w7u3vpya839jxxuq8g0sedh3d740d4xvn639sqhr95ejj8vu3hyfumptt", "plugins"),
        (long.as_str(), "post-quantum"),
        ("age:-:ssh-ed25519:AAAAC3NzaC1lZDI1NTE5", "SSH"),
        ("age:-:scrypt", "passphrases"),
        ("age:eu:age1t7rxyev2z3rw82stdlrrepyc39nvn86l5078zqkf5uasdy86jp6svpy7pa", "no region"),
        ("age1t7rxyev2z3rw82stdlrrepyc39nvn86l5078zqkf5uasdy86jp6svpy7pa", "age:-:age1"),
        ("age:-:age1t7rxyev2z3rw82stdlrrepyc39nvn86l5078zqkf5uasdy86jp6svpy7pb", "58 characters"),
        ("age:-:age1t7rxyev2z3rw82stdlrrepyc39nvn86l5078zqkf5uasdy86jp6svpy7pq", "checksum"),
        (&secret, "itself"),
        (&format!("age:-:{}", *secret), "itself"),
        (&format!("age:-:{}", secret.to_lowercase()), "itself"),
    ] {
        let error = text.parse::<KeyRef>().unwrap_err();
        assert_eq!(error.kind(), Kind::Usage);
        let report = format!("{error} {error:?}");
        assert!(report.contains(says) && report.len() < 1000, "{text}: {report}");
        assert!(!report.to_uppercase().contains(&secret[20..40]), "{report}");
    }
}

/// Downloads Debian's `age` with `apt-get download` and unpacks it below `target`; `None` if this is not possible.
fn debian_age() -> Option<PathBuf> {
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join("debian-age");
    let program = directory.join("usr/bin/age");
    if !program.exists() {
        let download = directory.join("download");
        std::fs::create_dir_all(&download).ok()?;
        let run = |command: &mut Command| {
            let quiet = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
            quiet.status().ok().filter(std::process::ExitStatus::success)
        };
        run(Command::new("apt-get").args(["download", "age"]).current_dir(&download))?;
        let package = std::fs::read_dir(&download).ok()?.find_map(|entry| {
            let path = entry.ok()?.path();
            (path.extension()? == "deb").then_some(path)
        })?;
        // Two tests may unpack at the same time: each uses a separate directory, and the first result stays.
        let unpacked = tempfile::tempdir_in(&directory).ok()?;
        run(Command::new("dpkg").arg("-x").arg(&package).arg(unpacked.path()))?;
        let _ = std::fs::rename(unpacked.path().join("usr"), directory.join("usr"));
    }
    program.exists().then_some(program)
}

#[test]
fn blobs_are_compatible_with_debians_age() {
    let Some(age) = debian_age() else { return };
    let directory = tempfile::tempdir().unwrap();
    let (file, keys) = (directory.path().join("blob"), directory.path().join("keys.txt"));
    let (identity, signer) = (AgeIdentity::generate().unwrap(), SigningKey::generate().unwrap());
    identity.create(&keys).unwrap();
    let age = |arguments: &[&str], input: &[u8]| {
        std::fs::write(directory.path().join("input"), input).unwrap();
        let input = std::fs::File::open(directory.path().join("input")).unwrap();
        let output = Command::new(&age).args(arguments).stdin(input).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        output.stdout
    };
    let services = with(&identity);
    let (enc, key) = seal(&[identity.key_ref()]).sign(signer.clone()).seal_bytes(CONTENT, &services).unwrap();
    let mut parsed = KeyFile::parse(&key).unwrap();
    let blob = STANDARD.decode(&parsed.sections[0].recipients[0].blob).unwrap();
    std::fs::write(&file, &blob).unwrap();
    let payload = age(&["-d", "-i", keys.to_str().unwrap()], &blob);
    assert_eq!(payload.len(), 64);
    let recipient = identity.key_ref().key_id();
    // Replace the blob by one of Debian's age. It unwraps, and then the MAC of the section fails.
    let theirs = age(&["-r", recipient], &payload);
    assert_eq!(theirs.len(), blob.len());
    parsed.sections[0].recipients[0].blob = STANDARD.encode(theirs);
    let error = open_bytes(&enc, &parsed.emit(), &policy(Some(&signer)), &services).unwrap_err();
    assert_eq!(error.kind(), Kind::KeyMacMismatch, "the key unwraps, but its MAC is different: {error}");
    let several = AgeIdentity::generate().unwrap();
    let armoured = age(&["-a", "-r", recipient], &payload);
    let for_two = age(&["-r", recipient, "-r", several.key_ref().key_id()], &payload);
    let other_payload = age(&["-r", recipient], &payload[..63]);
    for refused in [armoured, for_two, other_payload] {
        parsed.sections[0].recipients[0].blob = STANDARD.encode(refused);
        let error = open_bytes(&enc, &parsed.emit(), &policy(Some(&signer)), &services).unwrap_err();
        assert_eq!(error.kind(), Kind::UnwrapFailed, "{error}");
    }
}
