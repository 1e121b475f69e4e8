//! Tests of pinned signers (format.md §9). Everybody who may wrap can make a pair that opens. A program that pins a
//! signer does not accept such a pair.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use common::{TencentProject, variables_of};
use envconf::pair::{Check, Sign, SigningKey};
use envconf::{ContentType, EncryptedConfig, Error, KeyServices, Kind, Policy, Seal, Trusted};
use envconf_test_support::Credential;

#[derive(EncryptedConfig, Debug)]
#[envconf(name = "app")]
struct App {
    admin: String,
}

/// A program whose pair `signer` signed, and a forger who may only wrap with the key.
struct Scene {
    service: TencentProject,
    signer: SigningKey,
    forger: KeyServices,
}

const GENUINE: &str = "admin = 'alice'\n";
const FORGED: &str = "admin = 'mallory'\n";

impl Scene {
    fn new() -> Self {
        let service = TencentProject::toml(GENUINE);
        let signer = SigningKey::generate().unwrap();
        let own = KeyServices::from_given(variables_of(&service.kms, &service.project.sandbox)).unwrap();
        let scene = Self { forger: may(&service, &["GenerateDataKey", "Encrypt"]), service, signer };
        let signed = Sign::new(scene.policy()).key(scene.signer.clone());
        assert!(signed.sign(&scene.service.project.pair("default"), &own).unwrap().is_written());
        scene
    }

    fn policy(&self) -> Policy {
        let policy = Policy::new("app".parse().unwrap(), "default".parse().unwrap());
        policy.trust([Trusted::Key(self.service.key.clone())])
    }

    fn files(&self) -> (Vec<u8>, Vec<u8>) {
        let sandbox = &self.service.project.sandbox;
        (sandbox.read("config/app.conf.enc"), sandbox.read("config/app.conf.key"))
    }

    fn put(&self, enc: impl AsRef<[u8]>, key: impl AsRef<[u8]>) {
        let sandbox = &self.service.project.sandbox;
        sandbox.write("config/app.conf.enc", enc);
        sandbox.write("config/app.conf.key", key);
    }

    /// Returns a pair of the forger, with the name, environment and key of the program.
    fn forge(&self, seal: impl FnOnce(Seal) -> Seal) -> (Vec<u8>, Vec<u8>) {
        let new = Seal::new("app".parse().unwrap(), "default".parse().unwrap(), ContentType::Toml);
        seal(new.recipient(self.service.key.clone())).seal_bytes(FORGED.as_bytes(), &self.forger).unwrap()
    }

    /// Loads the pair, with or without a pin of the signer.
    fn load(&self, pins: bool) -> Result<String, Error> {
        let public = self.signer.public().to_string();
        let variables: &[_] = if pins { &[("ENVCONF_SIGNERS", public.as_str())] } else { &[] };
        self.service.loader::<App>(variables).load().map(|app| app.admin.clone())
    }

    /// Returns the kind of the error. Checks that no request was sent to the key service.
    #[track_caller]
    fn refused(&self) -> Kind {
        let before = self.service.kms.requests().len();
        let error = self.load(true).unwrap_err();
        assert_eq!(error.exit_code(), 33, "{error}");
        assert_eq!(self.service.kms.requests().len(), before, "a request was sent to the key service");
        error.kind()
    }
}

/// Returns services with a credential that permits only these actions.
fn may(service: &TencentProject, actions: &[&str]) -> KeyServices {
    let credential = Credential::fake();
    service.kms.add_credential(credential.clone(), actions);
    let mut variables = service.kms.variables();
    variables.retain(|(name, _)| !name.starts_with("TENCENTCLOUD_SECRET"));
    variables.push(("TENCENTCLOUD_SECRET_ID".into(), credential.secret_id));
    variables.push(("TENCENTCLOUD_SECRET_KEY".into(), credential.secret_key));
    KeyServices::from_given(variables).unwrap()
}

/// Returns the lines of a file that begin with `start`, and its other lines.
fn part(enc: &[u8], start: &str) -> (String, String) {
    let text = std::str::from_utf8(enc).unwrap();
    let (with, without): (Vec<&str>, Vec<&str>) =
        text.split_inclusive('\n').partition(|line| line.starts_with(start));
    (with.concat(), without.concat())
}

/// Returns a file with these lines before its end.
fn with_signatures(enc: &str, signatures: &str) -> String {
    format!("{}{signatures}end\n", enc.strip_suffix("end\n").unwrap())
}

#[test]
fn the_genuine_pair_is_accepted_with_and_without_a_pin() {
    let scene = Scene::new();
    assert_eq!(scene.load(false).unwrap(), "alice");
    assert_eq!(scene.load(true).unwrap(), "alice");
}

// Pitfall 8.
#[test]
fn a_forger_with_wrap_rights_can_configure_a_program_without_pins() {
    let scene = Scene::new();
    let (enc, key) = scene.files();
    let refused = envconf::pair::open_bytes(&enc, &key, &scene.policy(), &scene.forger).unwrap_err();
    assert_eq!(refused.exit_code(), 42, "the forger must not be able to open: {refused}");
    let (enc, key) = scene.forge(|seal| seal);
    scene.put(enc, key);
    // Attacker T3 of format.md §9: without a pin, everybody who may wrap can configure the program.
    assert_eq!(scene.load(false).unwrap(), "mallory");
    assert_eq!(scene.refused(), Kind::SignatureRequired);
}

#[test]
fn no_available_signature_makes_a_forged_pair_accepted() {
    let scene = Scene::new();
    let (genuine, genuine_key) = scene.files();
    let (genuine_signature, _) = part(&genuine, "sig: ");
    let (enc, key) = scene.forge(|seal| seal);
    let (_, enc) = part(&enc, "sig: ");

    // The signature of the genuine pair is put on the forged one.
    scene.put(with_signatures(&enc, &genuine_signature), &key);
    assert_eq!(scene.refused(), Kind::BadSignature);

    // The forger signs, and uses his id and the pinned one.
    let forger = SigningKey::generate().unwrap();
    let (own, own_key) = scene.forge(|seal| seal.sign(forger.clone()));
    scene.put(&own, &own_key);
    assert_eq!(scene.refused(), Kind::SignatureRequired);
    let id = |key: &SigningKey| key.public().id().to_string();
    let own = String::from_utf8(own).unwrap().replace(&id(&forger), &id(&scene.signer));
    scene.put(own, own_key);
    assert_eq!(scene.refused(), Kind::BadSignature);

    // The signature has only zeros. The weakest keys would verify it.
    let zeros = format!("sig: {} {}\n", id(&scene.signer), STANDARD.encode([0; 64]));
    scene.put(with_signatures(&enc, &zeros), &key);
    assert_eq!(scene.refused(), Kind::BadSignature);

    // The genuine body has a changed header, or no signature.
    let text = String::from_utf8(genuine.clone()).unwrap();
    scene.put(text.replace("generation: 1\n", "generation: 2\n"), &genuine_key);
    assert_eq!(scene.refused(), Kind::BadSignature);
    scene.put(part(&genuine, "sig: ").1, &genuine_key);
    assert_eq!(scene.refused(), Kind::SignatureRequired);

    // The signed .enc is next to the forger's .key, which has another data key.
    scene.put(&genuine, &key);
    assert_eq!(scene.load(true).unwrap_err().kind(), Kind::DekNotFound);
    // The forger's section has the id of the genuine data key. It unwraps to another key than the header commits to.
    let dek = |enc: &[u8]| part(enc, "dek: ").0;
    let renamed = String::from_utf8(key).unwrap().replace(&dek(enc.as_bytes()), &dek(&genuine));
    scene.put(&genuine, renamed);
    let error = scene.load(true).unwrap_err();
    assert!(error.exit_code() == 30 || error.exit_code() == 40, "{error}");

    scene.put(genuine, genuine_key);
    assert_eq!(scene.load(true).unwrap(), "alice");
}

#[test]
fn a_signature_for_another_environment_is_not_accepted() {
    let scene = Scene::new();
    let own =
        KeyServices::from_given(variables_of(&scene.service.kms, &scene.service.project.sandbox)).unwrap();
    let seal = Seal::new("app".parse().unwrap(), "staging".parse().unwrap(), ContentType::Toml)
        .recipient(scene.service.key.clone())
        .sign(scene.signer.clone());
    let (staging, key) = seal.seal_bytes(FORGED.as_bytes(), &own).unwrap();
    scene.put(&staging, &key);
    assert_eq!(scene.load(true).unwrap_err().kind(), Kind::IdentityMismatch);
    let text = String::from_utf8(staging).unwrap().replace("env: staging\n", "env: default\n");
    scene.put(text, key);
    assert_eq!(scene.refused(), Kind::BadSignature);
}

#[test]
fn several_signers_are_counted_and_a_ninth_is_rejected() {
    let scene = Scene::new();
    let pair = scene.service.project.pair("default");
    let own =
        KeyServices::from_given(variables_of(&scene.service.kms, &scene.service.project.sandbox)).unwrap();
    let second = SigningKey::generate().unwrap();
    let pins = [scene.signer.public(), second.public()];
    let policy = scene.policy().signers(pins.to_vec(), 2).unwrap();
    let error = envconf::open(&pair, &policy, &own).unwrap_err();
    assert_eq!(error.kind(), Kind::SignatureRequired);
    // The policy of the second signer requires two signatures, including the new one.
    let signed = Sign::new(policy.clone()).key(second).sign(&pair, &own).unwrap();
    assert_eq!((signed.signers().len(), signed.is_opened()), (2, true));
    envconf::open(&pair, &policy, &own).unwrap();

    let fill = (0..6).fold(Sign::new(policy.clone()), |sign, at| sign.key(SigningKey::from_seed(&[at; 32])));
    assert_eq!(fill.blind().sign(&pair, &own).unwrap().signers().len(), 8);
    let before = scene.files();
    let ninth = Sign::new(policy).key(SigningKey::from_seed(&[9; 32])).blind();
    assert_eq!(ninth.sign(&pair, &own).unwrap_err().kind(), Kind::Usage);
    assert_eq!(scene.files(), before);
}

/// A signer of an existing pair needs the right to unwrap. A sealer that may only wrap can sign the pairs that it
/// makes.
#[test]
fn a_sealer_needs_no_right_to_unwrap_to_sign_its_pair() {
    let scene = Scene::new();
    let pair = scene.service.project.pair("default");
    let seal = Seal::new("app".parse().unwrap(), "default".parse().unwrap(), ContentType::Toml)
        .recipient(scene.service.key.clone());
    let error = seal.seal(&pair, b"admin = 'bob'\n", &scene.forger).unwrap_err();
    assert_eq!(error.kind(), Kind::SignatureRequired, "a signed pair must stay signed");
    let sealed =
        seal.clone().sign(scene.signer.clone()).seal(&pair, b"admin = 'bob'\n", &scene.forger).unwrap();
    assert_eq!((sealed.check(), sealed.lost_signers()), (Check::AfterUnwrap, &[][..]));
    assert_eq!(scene.load(true).unwrap(), "bob");
    let sealed = seal.unsigned().seal(&pair, b"admin = 'eve'\n", &scene.forger).unwrap();
    assert_eq!(sealed.lost_signers(), [scene.signer.public().id()]);
    assert_eq!(scene.refused(), Kind::SignatureRequired);
}
