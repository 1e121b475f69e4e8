//! Invents the canaries, seals them, and starts the process that loads them.

use std::process::Command;
use std::sync::{Arc, Mutex};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use envconf::format::{Outline, Suite};
use envconf::kms::AgeIdentity;
use envconf::kms::{BoxFuture, Context, DataKey, KmsError, WrappedKey};
use envconf::pair::SigningKey;
use envconf::{__vectors as vectors, ContentType, KeyRef, KeyServices, Kms, LocalKey, Pair, Policy, Seal};
use envconf_test_support::{Sandbox, StandIn};

use crate::child;
use crate::common;
use crate::content::Syntax;
use crate::needles::Needle;
use crate::types::{BUFFERED, SECRETS, SHAPES};

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Key {
    File,
    Variable,
    Command,
    Age,
    Tencent(Transport),
    #[cfg(feature = "vault")]
    Vault,
    #[cfg(feature = "aws")]
    Aws,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Transport {
    Http,
    Tls,
}

pub struct Case {
    syntax: Syntax,
    key: Key,
    outline: bool,
    in_async: bool,
    wiping: bool,
    buffered: bool,
    shapes: bool,
    /// True if a field comes from a variable.
    overridden: bool,
    /// True if the load fails because the content is broken or lacks a field.
    broken: bool,
    lacking: bool,
}

/// The arguments of the process that loads.
#[derive(Default)]
struct Child {
    trust: String,
    variables: Vec<(String, String)>,
    secrets: Vec<Needle>,
}

/// The numbers of findings of one needle's pieces.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Seen {
    pub name: String,
    pub loaded_min: u32,
    pub loaded_max: u32,
    pub dropped: u32,
    pub freed: u32,
    pub places: Vec<String>,
}

impl Case {
    pub fn of(syntax: Syntax) -> Self {
        Self {
            syntax,
            key: Key::File,
            outline: false,
            in_async: false,
            wiping: false,
            buffered: false,
            shapes: false,
            overridden: false,
            broken: false,
            lacking: false,
        }
    }

    /// Uses content for `Buffered`, always JSON.
    pub fn buffered(self) -> Self {
        Self { buffered: true, ..self }
    }

    /// Uses content for `Shapes`.
    pub fn shapes(self) -> Self {
        Self { shapes: true, ..self }
    }

    pub fn overridden(self) -> Self {
        Self { overridden: true, ..self }
    }

    pub fn broken(self) -> Self {
        Self { broken: true, ..self }
    }

    pub fn lacking(self) -> Self {
        Self { lacking: true, ..self }
    }

    pub fn key(self, key: Key) -> Self {
        Self { key, ..self }
    }

    pub fn outline(self) -> Self {
        Self { outline: true, ..self }
    }

    /// Loads on a thread of an asynchronous runtime.
    pub fn in_async(self) -> Self {
        Self { in_async: true, ..self }
    }

    /// Uses an allocator that wipes freed blocks.
    pub fn wiping(self) -> Self {
        Self { wiping: true, ..self }
    }

    /// Returns the findings for each needle.
    pub fn run(&self) -> Vec<Seen> {
        let sandbox = Sandbox::new();
        let names = match (self.buffered, self.shapes) {
            (true, _) => &BUFFERED[..],
            (_, true) => &SHAPES[..],
            _ => &SECRETS[..],
        };
        let canaries: Vec<String> = names.iter().map(|_| canary()).collect();
        let mut needles: Vec<_> =
            names.iter().zip(&canaries).map(|(name, canary)| Needle::text(name, canary)).collect();
        let mut content = match (self.buffered, self.shapes) {
            (true, _) => self.syntax.buffered(&canaries),
            (_, true) => self.syntax.shapes(&canaries),
            _ => self.syntax.app(&canaries),
        };
        if self.lacking {
            content = content.replace("password", "pasword");
        }

        let local = LocalKey::generate().unwrap();
        let kms = match self.key {
            Key::Tencent(Transport::Tls) => StandIn::builder().tls().start(),
            _ => StandIn::start(),
        };
        let remote: KeyRef = format!("tencent:ap-guangzhou:{}", kms.key_id()).parse().unwrap();
        let spy = Arc::new(Spy::default());
        #[cfg_attr(
            not(any(feature = "vault", feature = "aws")),
            allow(unused_mut, reason = "only these features add needles")
        )]
        let (mut remote, mut to_kms) = (remote, common::variables_of(&kms, &sandbox));
        #[cfg(feature = "vault")]
        let _server = (self.key == Key::Vault).then(|| {
            let server = envconf_test_support::OpenBao::start(env!("CARGO_TARGET_TMPDIR"));
            remote = "vault:-:transit/app".parse().unwrap();
            let token = envconf_test_support::openbao::ROOT;
            to_kms = vec![("VAULT_ADDR".into(), server.url()), ("VAULT_TOKEN".into(), token.into())];
            server
        });
        #[cfg(feature = "aws")]
        let _moto = (self.key == Key::Aws).then(|| {
            let python = envconf_test_support::aws::packages(env!("CARGO_TARGET_TMPDIR"));
            let server = envconf_test_support::AwsServer::moto(&python);
            let mut sdk = envconf_test_support::AwsSdk::start(&python, Some(server.url()));
            let made = sdk.call("kms", "create_key", serde_json::json!({})).unwrap();
            let arn = made["KeyMetadata"]["Arn"].as_str().unwrap();
            remote = format!("aws:us-east-1:{arn}").parse().unwrap();
            let url = server.url();
            let variables = [
                ("ENVCONF_AWS_ENDPOINT", url.as_str()),
                ("AWS_ACCESS_KEY_ID", "test"),
                ("AWS_SECRET_ACCESS_KEY", "test"),
            ];
            to_kms = variables.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
            server
        });
        let services = KeyServices::from_given(to_kms.clone()).unwrap();
        let services = services.local_key(local.clone()).kms(spy.clone());
        let (identity, signer) = (AgeIdentity::generate().unwrap(), SigningKey::generate().unwrap());
        let recipients = [local.key_ref(), identity.key_ref(), &Spy::key(), &remote];
        let pair = self.seal(&sandbox, &content, &recipients, &signer, &services);
        let dek = spy.0.lock().unwrap().clone();
        if self.broken {
            put_in(&pair, &format!("{content}\n\"{}", canaries[0]), &dek, &services);
        }
        needles.extend(keys(&dek, &std::fs::read_to_string(pair.enc()).unwrap()));

        let mut child = Child::default();
        let is_local = matches!(self.key, Key::File | Key::Variable | Key::Command);
        if !is_local {
            // In payload form the hash follows, so the base64 of the last bytes is different.
            needles.push(Needle::key("reply", &STANDARD.encode(&dek).as_bytes()[..40]));
            (child.trust, child.variables) = (remote.to_string(), to_kms);
        } else if self.key == Key::Age {
            let file = sandbox.path("identity");
            identity.create(&file).unwrap();
            needles.extend(identity_keys(&identity));
            child.trust = identity.key_ref().to_string();
            child.variables.push(("ENVCONF_AGE_KEY_FILE".into(), file.to_str().unwrap().to_owned()));
            child.variables.push(("ENVCONF_SIGNERS".into(), signer.public().to_string()));
        } else {
            needles.extend(local_keys(&local, &std::fs::read_to_string(pair.key()).unwrap()));
            let file = sandbox.path("local-key");
            local.create(&file).unwrap();
            let file = file.to_str().unwrap();
            child.trust = "local".to_owned();
            match self.key {
                Key::Variable => child.secrets.push(Needle::masked("ENVCONF_KEY", &local.expose_text())),
                Key::Command => child.variables.push(("ENVCONF_KEY_CMD".into(), format!("cat {file}"))),
                _ => child.variables.push(("ENVCONF_KEY_FILE".into(), file.to_owned())),
            }
        }
        if self.overridden && self.shapes {
            let given = [
                ("APP__NODES__0__TOKEN", "field:nodes", ""),
                ("APP__NODES__1__TOKEN", "", ""),
                ("APP__PEERS", "field:peers", "{\"a\": {\"token\": \"@\"}}"),
                ("APP__PEERS__B__TOKEN", "", ""),
                ("APP__TAGGED__TOKEN", "field:tagged", ""),
                ("APP__LABELS__B", "", ""),
                ("APP__LABELS__A", "field:labels", ""),
            ];
            for (variable, outweighed, written) in given {
                let value = canary();
                for needle in needles.iter_mut().filter(|needle| needle.name == outweighed) {
                    needle.name = format!("outweighed:{outweighed}");
                }
                needles.push(Needle::text(&format!("field:{variable}"), &value));
                let text = if written.is_empty() { value } else { written.replace('@', &value) };
                child.secrets.push(Needle::masked(variable, &text));
            }
        } else if self.overridden {
            let (first, second) = (canary(), canary());
            for needle in &mut needles {
                if ["field:password", "field:list"].contains(&needle.name.as_str()) {
                    needle.name = format!("outweighed:{}", needle.name);
                }
            }
            needles.push(Needle::text("field:password-by-variable", &first));
            needles.push(Needle::text("field:list-by-variable", &second));
            child.secrets.push(Needle::masked("APP__DATABASE__PASSWORD", &first));
            child.secrets.push(Needle::masked("APP__LIST", &format!("[\"{second}\"]")));
        }
        self.start(&sandbox, &needles, &child)
    }

    fn seal(
        &self,
        sandbox: &Sandbox,
        content: &str,
        recipients: &[&KeyRef],
        signer: &SigningKey,
        services: &KeyServices,
    ) -> Pair {
        let (name, environment) = ("app".parse().unwrap(), "default".parse().unwrap());
        std::fs::create_dir_all(sandbox.path("config")).unwrap();
        let pair = Pair::new(sandbox.path("config"), &name, &environment);
        let content_type = if self.buffered { ContentType::Json } else { self.syntax.content_type() };
        let mut seal = Seal::new(name, environment, content_type);
        for recipient in recipients {
            seal = seal.recipient((*recipient).clone());
        }
        if self.key == Key::Age {
            seal = seal.sign(signer.clone());
        }
        if self.outline {
            seal = seal.outline(Outline::Tags { hide: Vec::new() });
        }
        seal.seal(&pair, content.as_bytes(), services).unwrap();
        pair
    }

    fn start(&self, sandbox: &Sandbox, needles: &[Needle], told: &Child) -> Vec<Seen> {
        let lines: Vec<_> = told.variables.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["child", "--exact", "--nocapture"]);
        command.env(child::NEEDLES, Needle::write(needles)).env(child::DIRECTORY, sandbox.path("config"));
        command.env(child::TRUST, &told.trust).env(child::VARIABLES, lines.join("\n"));
        command.env(child::SECRET_VARIABLES, Needle::write(&told.secrets));
        for (name, is_set) in [
            (child::SHAPES, self.shapes),
            (child::ASYNC, self.in_async),
            (child::WIPING, self.wiping),
            (child::BUFFERED, self.buffered),
            (child::FAILS, self.broken || self.lacking),
        ] {
            command.env_remove(name).envs(is_set.then_some((name, "1")));
        }
        let output = command.output().unwrap();
        let (told, talk) =
            (String::from_utf8(output.stdout).unwrap(), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success(), "{told}{talk}");
        if std::env::var_os("ENVCONF_MEMORY_SHOW").is_some() {
            eprintln!("{talk}");
        }
        let mut seen: Vec<_> =
            needles.iter().map(|needle| Seen { name: needle.name.clone(), ..Seen::default() }).collect();
        let lines: Vec<_> = told.lines().filter_map(|line| line.strip_prefix(child::MARK)).collect();
        assert_eq!(lines.len(), 4 * needles.len(), "{told}");
        for line in lines {
            let words: Vec<&str> = line.split(' ').collect();
            let seen = seen.iter_mut().find(|seen| seen.name == words[1]).unwrap();
            let number = |at: usize| words[at].parse::<u32>().unwrap();
            let places = words[4.min(words.len())..].iter().filter(|place| !place.is_empty());
            seen.places.extend(places.map(|place| format!("{} {place}", words[0])));
            match words[0] {
                "before" => {
                    assert_eq!(number(3), 0, "memory must not have the needle before the load: {line}")
                }
                "loaded" => (seen.loaded_min, seen.loaded_max) = (number(2), number(3)),
                "dropped" => seen.dropped = number(3),
                _ => seen.freed = number(2),
            }
        }
        seen
    }
}

/// Writes `content` into the pair, though a sealer would reject it.
fn put_in(pair: &Pair, content: &str, dek: &[u8], services: &KeyServices) {
    let policy = Policy::new("app".parse().unwrap(), "default".parse().unwrap());
    let header = envconf::open(pair, &policy, services).unwrap().header().clone();
    let content = content.as_bytes();
    let given =
        vectors::SealInput { header, content, dek, random: [2; 32], seeds: Vec::new(), outline: None };
    std::fs::write(pair.enc(), vectors::seal(given).unwrap()).unwrap();
}

/// Returns 40 random letters.
fn canary() -> String {
    let mut bytes = [0; 40];
    getrandom::fill(&mut bytes).unwrap();
    bytes.iter().map(|byte| char::from(b'a' + byte % 26)).collect()
}

/// Returns the data key and the keys derived from it to open this `.enc` (format.md §§4, 5, 7).
fn keys(dek: &[u8], enc: &str) -> Vec<Needle> {
    let before_salt = &enc[..enc.find("salt: ").unwrap()];
    let salt = enc[before_salt.len() + 6..].lines().next().unwrap();
    let salt: [u8; 32] = STANDARD.decode(salt).unwrap().try_into().unwrap();
    let h0 = &enc[..before_salt.len() + enc[before_salt.len()..].find('\n').unwrap() + 1];
    let (content, nonce, commit) = vectors::content_keys(dek, Suite::Aes256Gcm, &salt, h0.as_bytes());
    let written = enc.lines().find_map(|line| line.strip_prefix("commit: ")).unwrap();
    assert_eq!(STANDARD.encode(commit), written, "the needles must belong to this file");
    vec![
        Needle::key("dek", dek),
        Needle::hmac_key("dek-prk", &vectors::hmac(&[0; 32], dek)),
        Needle::hmac_key("content-prk", &vectors::hmac(&salt, dek)),
        Needle::key("content-key", &content),
        Needle::key("content-nonce", &nonce[..8]),
        Needle::hmac_key("section-mac-key", &vectors::section_mac(dek, &[]).0),
        Needle::hmac_key("outline-key", &vectors::outline_key(dek, "app", "default")),
    ]
}

/// Returns the identity as text, and the bytes that the text encodes in Bech32.
fn identity_keys(identity: &AgeIdentity) -> Vec<Needle> {
    const ALPHABET: &str = "QPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L";
    let text = identity.expose_text();
    let data = &text["AGE-SECRET-KEY-1".len()..];
    let (mut bytes, mut bits, mut held) = (Vec::new(), 0_u32, 0);
    for character in data.chars().take(52) {
        bits = bits << 5 | ALPHABET.find(character).unwrap() as u32;
        held += 5;
        if held >= 8 {
            held -= 8;
            bytes.push((bits >> held) as u8);
        }
    }
    vec![Needle::key("age-identity", &bytes[..32]), Needle::key("age-identity-text", &data.as_bytes()[..56])]
}

/// Returns the local key and the keys derived from it to unwrap the data key (format.md §6).
fn local_keys(local: &LocalKey, key: &str) -> Vec<Needle> {
    let text = local.expose_text();
    let base64 = text.rsplit(':').next().unwrap();
    let kek = STANDARD.decode(base64).unwrap();
    let mut lines = key.lines().skip_while(|line| !line.ends_with(local.key_ref().key_id()));
    let blob = lines.nth(1).and_then(|line| line.strip_prefix("blob: ")).unwrap();
    let salt: [u8; 32] = STANDARD.decode(blob).unwrap()[..32].try_into().unwrap();
    let context = vectors::context("app", "default", envconf::format::Id::new([0; 8])).unwrap();
    let (okm, _) = vectors::local_wrap(local, &[0; 32], &context, &salt);
    vec![
        Needle::key("local-key", &kek),
        Needle::key("local-key-text", &base64.as_bytes()[..40]),
        Needle::hmac_key("local-key-prk", &vectors::hmac(&salt, &kek)),
        Needle::hmac_key("local-key-id-prk", &vectors::hmac(&[0; 32], &kek)),
        Needle::key("local-wrap-key", &okm[..40]),
    ]
}

/// A key service that stores the data key.
#[derive(Default)]
struct Spy(Mutex<Vec<u8>>);

impl Spy {
    fn key() -> KeyRef {
        "spy:-:1".parse().unwrap()
    }
}

impl Kms for Spy {
    fn provider(&self) -> &str {
        "spy"
    }

    fn authenticates(&self) -> bool {
        true
    }

    fn wrap<'a>(
        &'a self,
        _: &'a KeyRef,
        dek: &'a DataKey,
        _: &'a Context,
    ) -> BoxFuture<'a, Result<WrappedKey, KmsError>> {
        *self.0.lock().unwrap() = dek.expose().to_vec();
        Box::pin(async { WrappedKey::new("kept").ok_or_else(|| KmsError::other("no key")) })
    }

    fn unwrap<'a>(
        &'a self,
        _: &'a KeyRef,
        _: &'a WrappedKey,
        _: &'a Context,
    ) -> BoxFuture<'a, Result<DataKey, KmsError>> {
        let dek = DataKey::from_bytes(&self.0.lock().unwrap());
        Box::pin(async { Ok(dek) })
    }
}
