//! Tests of the aims of the retry policy. They also check that the documentation shows the results of the simulation.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::time::Duration;

use envconf_fleet::{Fleet, Limiter, Policy, aws_table, plot, tables, vault_table};

/// Checks that no process fails, that all start within 1.25 times the bound, and that few calls are rejected.
fn meets_the_aims(fleet: Fleet, refused_per_success: f64) {
    let outcome = fleet.run();
    assert_eq!((outcome.up.len(), outcome.gave_up), (fleet.processes as usize, 0), "{fleet:?}");
    assert!(outcome.all_up() <= 1.25 * fleet.bound(), "{fleet:?}: {}", outcome.all_up());
    assert!(
        outcome.refused_per_success() < refused_per_success,
        "{fleet:?}: {}",
        outcome.refused_per_success()
    );
}

#[test]
fn every_fleet_is_up_in_time_with_every_seed_and_limiter() {
    for processes in [100, 350, 400, 500, 700, 850, 1_000, 1_300, 2_000, 3_000, 5_000, 10_000, 100_000] {
        for limiter in [Limiter::Window, Limiter::Bucket, Limiter::ChargedBucket] {
            for seed in 1..=if processes > 10_000 { 2 } else { 100 } {
                meets_the_aims(Fleet { limiter, seed, ..Fleet::suited(processes, Policy::Envconf) }, 1.5);
            }
        }
    }
}

/// The fleet is slightly larger than the quota of the first second. A process that starts at the end of that second
/// waits at most 0.43 s. This is more than a quarter of the bound, so the usual limit of 1.25 times the bound is too
/// low.
#[test]
fn a_fleet_slightly_above_the_quota_starts_half_a_second_after_the_bound() {
    for processes in [301, 310, 325, 349] {
        for limiter in [Limiter::Window, Limiter::Bucket, Limiter::ChargedBucket] {
            for seed in 1..=100 {
                let fleet = Fleet { limiter, seed, ..Fleet::suited(processes, Policy::Envconf) };
                let outcome = fleet.run();
                assert_eq!(outcome.gave_up, 0, "{fleet:?}");
                assert!(outcome.all_up() <= 0.5 + fleet.bound(), "{fleet:?}: {}", outcome.all_up());
            }
        }
    }
}

#[test]
fn a_shorter_deadline_is_met_if_rejected_calls_do_not_count() {
    for processes in [1_000, 10_000] {
        for limiter in [Limiter::Window, Limiter::Bucket] {
            for seed in 1..=20 {
                let fleet = Fleet { limiter, seed, ..Fleet::suited(processes, Policy::Envconf) };
                let deadline = Duration::from_secs_f64(1.25 * fleet.bound());
                meets_the_aims(Fleet { deadline, ..fleet }, 4.0);
            }
        }
    }
}

#[test]
fn half_the_quota_needs_twice_the_time_with_the_same_policy() {
    for seed in 1..=100 {
        meets_the_aims(Fleet { seed, ..Fleet::against(150, 10_000, Policy::Envconf) }, 1.5);
    }
}

#[test]
fn the_quota_of_aws_lets_twenty_thousand_start_within_the_default_deadline() {
    for limiter in [Limiter::Window, Limiter::Bucket, Limiter::ChargedBucket] {
        for processes in [5_500, 10_000, 20_000] {
            let fleet = Fleet { limiter, ..Fleet::against(5_500, processes, Policy::Envconf).within(10) };
            let outcome = fleet.run();
            assert_eq!((outcome.up.len(), outcome.gave_up), (processes as usize, 0), "{fleet:?}");
        }
    }
}

#[test]
fn no_process_fails_while_the_service_is_away_before_the_deadline() {
    for seconds in [5, 30] {
        let away = Duration::from_secs(seconds);
        let outcome = Fleet { away, ..Fleet::suited(10_000, Policy::Envconf) }.run();
        assert_eq!((outcome.up.len(), outcome.gave_up), (10_000, 0), "{seconds} s");
    }
    // Even with little time left, the quota is large enough for this number of processes.
    let fleet = Fleet { away: Duration::from_secs(8), ..Fleet::suited(300, Policy::Envconf).within(10) };
    assert_eq!(fleet.run().gave_up, 0);
}

#[test]
fn restarted_processes_start_in_the_end() {
    let fleet = Fleet { restarts: true, ..Fleet::suited(10_000, Policy::Envconf).within(10) };
    let outcome = fleet.run();
    assert!(outcome.gave_up > 0);
    assert_eq!(outcome.up.len(), 10_000);
}

#[test]
fn no_process_fails_before_the_deadline() {
    let fleet = Fleet::suited(10_000, Policy::Envconf).within(10);
    let outcome = fleet.run();
    // The quota of ten seconds allows at most this number, and most of it is used.
    assert!((2_700..=3_600).contains(&outcome.up.len()), "{}", outcome.up.len());
    assert!(outcome.all_up() > 9.0, "{}", outcome.all_up());
}

#[test]
fn other_policies_fail_in_cases_that_envconf_handles() {
    for policy in Policy::ALL.into_iter().skip(1) {
        let outcome = Fleet::suited(10_000, policy).run();
        assert!(outcome.gave_up > 0 || outcome.refused_per_success() >= 3.0, "{policy:?}");
    }
}

/// Compares the part of a page between two markers with the simulation. With `BLESS=1`, writes the part.
fn documented(page: &str, marker: &str, expected: &str) {
    let path = format!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../envconf/docs/{}"), page);
    let text = std::fs::read_to_string(&path).unwrap();
    let (begin, end) = (format!("<!-- {marker}: begin -->\n"), format!("<!-- {marker}: end -->"));
    let (before, rest) = text.split_once(&begin).unwrap();
    let (shown, after) = rest.split_once(&end).unwrap();
    if std::env::var_os("BLESS").is_some() {
        return std::fs::write(path, format!("{before}{begin}{expected}{end}{after}")).unwrap();
    }
    assert!(shown == expected, "{page} is out of date: run this test with BLESS=1");
}

#[test]
fn the_documentation_shows_the_results_of_the_simulation() {
    documented("fleets.md", "fleet", &tables());
    documented("vault-errors.md", "vault fleet", &vault_table());
    documented("aws-errors.md", "aws fleet", &aws_table());
    let picture = concat!(env!("CARGO_MANIFEST_DIR"), "/../../envconf/docs/fleet.svg");
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(picture, plot()).unwrap();
    }
    assert_eq!(std::fs::read_to_string(picture).unwrap(), plot(), "run this test with BLESS=1");
}
