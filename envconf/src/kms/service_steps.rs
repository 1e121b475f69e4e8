//! The steps of a diagnosis for services with HTTP: the credential's lifetime, endpoint, name resolution, TLS.

use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use super::clock;
use super::endpoint::Endpoint;
use super::http::Route;
use super::http::connection_steps::ConnectionSteps;
use super::step::{State, Step};

/// The number of addresses of a name that a step shows.
const SHOWN: usize = 3;

/// Adds the steps of a connection to `endpoint`; `origin` names the setting that the endpoint comes from. Sends no
/// request to the service.
pub(crate) async fn connect_to(endpoint: &Endpoint, origin: &str, route: &Route, steps: &mut Vec<Step>) {
    let url = endpoint.url();
    let walk = match ConnectionSteps::to(&url, route) {
        Ok(walk) => walk,
        Err(error) => {
            steps.push(Step::fault("endpoint", &error));
            return;
        }
    };
    let mut message = format!("{}, {origin}", endpoint.host());
    if let Some((proxy, variable)) = walk.proxy() {
        message += &format!("; through the proxy {proxy} ({variable})");
    }
    steps.push(Step::new("endpoint", State::Ok, message));
    connection(&walk, route, steps).await;
}

async fn connection(walk: &ConnectionSteps<'_>, route: &Route, steps: &mut Vec<Step>) {
    let started = Instant::now();
    let addresses = match walk.resolve().await {
        Ok(addresses) => addresses,
        Err(mut error) => {
            error.message = format!("{}: {}", walk.first_host(), error.message).into();
            steps.push(Step::fault("resolution", &error).took(started.elapsed()));
            return;
        }
    };
    let message = format!("{} is {}", walk.first_host(), shown(walk.first_host(), &addresses));
    steps.push(Step::new("resolution", State::Ok, message).took(started.elapsed()));
    if !walk.has_tls() {
        steps.push(Step::new("tls", State::Skipped, "plain http to a loopback address"));
        return;
    }
    if walk.is_nested() {
        steps.push(Step::new("tls", State::Skipped, "an https proxy wraps this connection in its own TLS"));
        return;
    }
    let started = Instant::now();
    let (result, names) = walk.secure(addresses).await;
    let certificate =
        names.map(|names| format!("certificate of {}, issued by {}", names.subject, names.issuer));
    let roots = match &route.ca_file {
        _ if route.ca_pem.is_some() => "root certificates from a variable".to_owned(),
        Some(file) => format!("root certificates from {}", file.display()),
        None => "built-in root certificates".to_owned(),
    };
    let step = match result {
        Ok(secured) => {
            let certificate = certificate.unwrap_or_else(|| "certificate without names".to_owned());
            let message = format!("{} with {}; {certificate}; {roots}", secured.version, secured.address);
            Step::new("tls", State::Ok, message)
        }
        Err(mut error) => {
            let details =
                certificate.map(|certificate| format!("; {certificate}; {roots}")).unwrap_or_default();
            error.message = format!("{}{details}", error.message).into();
            Step::fault("tls", &error)
        }
    };
    steps.push(step.took(started.elapsed()));
}

/// Returns the first few addresses as text.
fn shown(host: &str, addresses: &[SocketAddr]) -> String {
    if host.trim_matches(['[', ']']).parse::<IpAddr>().is_ok() {
        return "an IP address".to_owned();
    }
    let mut shown: Vec<_> = addresses.iter().take(SHOWN).map(|address| address.ip().to_string()).collect();
    if addresses.len() > SHOWN {
        shown.push(format!("{} more", addresses.len() - SHOWN));
    }
    shown.join(", ")
}

/// Returns the source and the remaining lifetime of a credential. A report must not show more of it.
pub(crate) fn source_and_life(source: &str, is_temporary: bool, expires: Option<u64>) -> String {
    let kind = if is_temporary { "temporary" } else { "long-term" };
    let now = clock::local().unwrap_or_default();
    let left = expires.map(|expires| Duration::from_secs(expires.saturating_sub(now)));
    let left = left.map(|left| format!(", {} left", rounded(left))).unwrap_or_default();
    format!("from {source}; {kind}{left}")
}

/// Formats a duration with its two largest units, such as hours and minutes.
fn rounded(duration: Duration) -> String {
    let minutes = duration.as_secs() / 60;
    match (minutes / 60, minutes % 60) {
        (0, 0) => format!("{} s", duration.as_secs()),
        (0, minutes) => format!("{minutes} min"),
        (hours, minutes) => format!("{hours} h {minutes} min"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_first_addresses_are_shown() {
        let addresses: Vec<_> = (1..=5).map(|last| SocketAddr::from(([10, 0, 0, last], 443))).collect();
        assert_eq!(shown("kms.example.com", &addresses), "10.0.0.1, 10.0.0.2, 10.0.0.3, 2 more");
        assert_eq!(shown("[::1]", &addresses[..1]), "an IP address");
    }

    #[test]
    fn durations_are_rounded() {
        for (seconds, text) in
            [(0, "0 s"), (59, "59 s"), (60, "1 min"), (7_199, "1 h 59 min"), (7_200, "2 h 0 min")]
        {
            assert_eq!(rounded(Duration::from_secs(seconds)), text);
        }
    }
}
