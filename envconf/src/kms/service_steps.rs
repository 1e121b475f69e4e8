//! Steps of a diagnosis that every service reached by HTTP has: the credential's life, endpoint, name resolution, TLS.

use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use super::clock;
use super::endpoint::Endpoint;
use super::http::Route;
use super::http::connection_steps::ConnectionSteps;
use super::step::{State, Step};

/// Addresses of a name that are shown.
const SHOWN: usize = 3;

/// Adds the steps of the way to `endpoint`; `whence` says where that is from. Nothing is asked of the service itself.
pub(crate) async fn way_to(endpoint: &Endpoint, whence: &str, route: &Route, steps: &mut Vec<Step>) {
    let url = endpoint.url();
    let walk = match ConnectionSteps::to(&url, route) {
        Ok(walk) => walk,
        Err(error) => {
            steps.push(Step::fault("endpoint", &error));
            return;
        }
    };
    let mut message = format!("{}, {whence}", endpoint.host());
    if let Some((proxy, variable)) = walk.proxy() {
        message += &format!("; through the proxy {proxy} of {variable}");
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
        steps.push(Step::new("tls", State::Skipped, "plain http, which goes to loopback only"));
        return;
    }
    if walk.is_nested() {
        steps.push(Step::new("tls", State::Skipped, "an https proxy wraps this connection in its own TLS"));
        return;
    }
    let started = Instant::now();
    let (result, names) = walk.secure(addresses).await;
    let whose = names.map(|names| format!("certificate of {}, by {}", names.subject, names.issuer));
    let roots = match &route.ca_file {
        _ if route.ca_pem.is_some() => "roots of a variable".to_owned(),
        Some(file) => format!("roots of {}", file.display()),
        None => "roots compiled in".to_owned(),
    };
    let step = match result {
        Ok(secured) => {
            let whose = whose.unwrap_or_else(|| "certificate without names".to_owned());
            let message = format!("{} with {}; {whose}; {roots}", secured.version, secured.address);
            Step::new("tls", State::Ok, message)
        }
        Err(mut error) => {
            let whose = whose.map(|whose| format!("; {whose}; {roots}")).unwrap_or_default();
            error.message = format!("{}{whose}", error.message).into();
            Step::fault("tls", &error)
        }
    };
    steps.push(step.took(started.elapsed()));
}

/// The first few of them.
fn shown(host: &str, addresses: &[SocketAddr]) -> String {
    if host.trim_matches(['[', ']']).parse::<IpAddr>().is_ok() {
        return "an address".to_owned();
    }
    let mut shown: Vec<_> = addresses.iter().take(SHOWN).map(|address| address.ip().to_string()).collect();
    if addresses.len() > SHOWN {
        shown.push(format!("{} more", addresses.len() - SHOWN));
    }
    shown.join(", ")
}

/// Where a credential is from and how long it holds: all that may be said of it.
pub(crate) fn source_and_life(source: &str, is_temporary: bool, expires: Option<u64>) -> String {
    let kind = if is_temporary { "temporary" } else { "lasting" };
    let now = clock::local().unwrap_or_default();
    let left = expires.map(|expires| Duration::from_secs(expires.saturating_sub(now)));
    let left = left.map(|left| format!(", {} left", rounded(left))).unwrap_or_default();
    format!("from {source}; {kind}{left}")
}

/// In the two largest units that count.
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
    fn of_many_addresses_a_few_are_shown() {
        let addresses: Vec<_> = (1..=5).map(|last| SocketAddr::from(([10, 0, 0, last], 443))).collect();
        assert_eq!(shown("kms.example.com", &addresses), "10.0.0.1, 10.0.0.2, 10.0.0.3, 2 more");
        assert_eq!(shown("[::1]", &addresses[..1]), "an address");
    }

    #[test]
    fn times_are_rounded_for_people() {
        for (seconds, text) in
            [(0, "0 s"), (59, "59 s"), (60, "1 min"), (7_199, "1 h 59 min"), (7_200, "2 h 0 min")]
        {
            assert_eq!(rounded(Duration::from_secs(seconds)), text);
        }
    }
}
