//! A certificate for the loopback, and the authority that signed it. Both are made at start and never stored.

use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::PrivatePkcs8KeyDer;

/// Returns the authority in PEM, and a TLS acceptor with its certificate.
pub(super) fn certified() -> (String, TlsAcceptor) {
    let ca_key = KeyPair::generate().expect("a key for the authority");
    let mut ca = named("envconf tests: no authority to trust");
    ca.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    ca.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    let ca_pem = ca.self_signed(&ca_key).expect("the authority signs itself").pem();

    let key = KeyPair::generate().expect("a key for the server");
    let mut server = named("Tencent KMS stand-in");
    // A client that uses a proxy to this server has the last name.
    let names = ["127.0.0.1", "localhost", "kms.ap-guangzhou.tencentcloudapi.com"];
    server.subject_alt_names =
        CertificateParams::new(names.map(str::to_owned)).expect("addresses and names").subject_alt_names;
    server.use_authority_key_identifier_extension = true;
    let certificate =
        server.signed_by(&key, &Issuer::new(ca, ca_key)).expect("the authority signs the server");

    // The provider is set here, because a process with two providers has no default.
    let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("ring has every version of TLS that rustls has")
        .with_no_client_auth()
        .with_single_cert(
            vec![certificate.der().clone()],
            PrivatePkcs8KeyDer::from(key.serialize_der()).into(),
        )
        .expect("the key fits the certificate");
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    (ca_pem, TlsAcceptor::from(Arc::new(config)))
}

fn named(name: &str) -> CertificateParams {
    let mut parameters = CertificateParams::default();
    parameters.distinguished_name.push(DnType::CommonName, name);
    parameters
}
