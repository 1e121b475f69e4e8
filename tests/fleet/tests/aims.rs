//! What the policy of tries is chosen by, and that the documentation shows what the simulation says.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::time::Duration;

use envconf_fleet::{Fleet, Limiter, Policy, aws_table, plot, tables, vault_table};

/// All up within 1.25 times the bound, nobody gives up, fewer than 3 refused calls for each success.
fn meets_the_aims(fleet: Fleet) {
    let outcome = fleet.run();
    assert_eq!((outcome.up.len(), outcome.gave_up), (fleet.processes as usize, 0), "{fleet:?}");
    assert!(outcome.all_up() <= 1.25 * fleet.bound(), "{fleet:?}: {}", outcome.all_up());
    assert!(outcome.refused_per_success() < 3.0, "{fleet:?}: {}", outcome.refused_per_success());
}

#[test]
fn every_size_of_fleet_is_up_in_time_however_the_service_counts() {
    for processes in [100, 1_000, 2_000, 10_000, 100_000] {
        for limiter in [Limiter::Window, Limiter::Bucket, Limiter::ChargedBucket] {
            for seed in 1..3 {
                meets_the_aims(Fleet { limiter, seed, ..Fleet::suited(processes, Policy::Envconf) });
            }
        }
    }
}

#[test]
fn a_tighter_deadline_is_met_where_refused_calls_are_free() {
    for processes in [1_000, 10_000] {
        for limiter in [Limiter::Window, Limiter::Bucket] {
            let fleet = Fleet { limiter, ..Fleet::suited(processes, Policy::Envconf) };
            meets_the_aims(Fleet { deadline: Duration::from_secs_f64(1.25 * fleet.bound()), ..fleet });
        }
    }
}

#[test]
fn half_the_quota_needs_twice_the_time_and_no_other_policy() {
    meets_the_aims(Fleet::against(150, 10_000, Policy::Envconf));
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
fn nobody_gives_up_while_the_service_is_away_and_the_deadline_allows() {
    for seconds in [5, 30] {
        let away = Duration::from_secs(seconds);
        let outcome = Fleet { away, ..Fleet::suited(10_000, Policy::Envconf) }.run();
        assert_eq!((outcome.up.len(), outcome.gave_up), (10_000, 0), "{seconds} s");
    }
    // Not even where there is hardly any time left: for so many there is room.
    let fleet = Fleet { away: Duration::from_secs(8), ..Fleet::suited(300, Policy::Envconf).within(10) };
    assert_eq!(fleet.run().gave_up, 0);
}

#[test]
fn who_gave_up_and_is_started_again_gets_through_in_the_end() {
    let fleet = Fleet { restarts: true, ..Fleet::suited(10_000, Policy::Envconf).within(10) };
    let outcome = fleet.run();
    assert!(outcome.gave_up > 0);
    assert_eq!(outcome.up.len(), 10_000);
}

#[test]
fn nobody_gives_up_before_the_deadline_comes() {
    let fleet = Fleet::suited(10_000, Policy::Envconf).within(10);
    let outcome = fleet.run();
    // For no more than these there is room in ten seconds, and for most of them it is used.
    assert!((2_700..=3_600).contains(&outcome.up.len()), "{}", outcome.up.len());
    assert!(outcome.all_up() > 9.0, "{}", outcome.all_up());
}

#[test]
fn other_policies_fail_where_ours_does_not() {
    for policy in Policy::ALL.into_iter().skip(1) {
        let outcome = Fleet::suited(10_000, policy).run();
        assert!(outcome.gave_up > 0 || outcome.refused_per_success() >= 3.0, "{policy:?}");
    }
}

#[test]
fn the_documentation_shows_what_the_simulation_says() {
    let docs = concat!(env!("CARGO_MANIFEST_DIR"), "/../../envconf/docs");
    let page = std::fs::read_to_string(format!("{docs}/tencent.md")).unwrap();
    let shown = page.split("<!-- fleet: begin -->\n").nth(1).unwrap();
    let shown = shown.split("<!-- fleet: end -->").next().unwrap();
    assert_eq!(shown.trim(), tables().trim(), "run `cargo run -p envconf-fleet` and put it there");
    let page = std::fs::read_to_string(format!("{docs}/vault.md")).unwrap();
    let shown = page.split("<!-- vault fleet: begin -->\n").nth(1).unwrap();
    let shown = shown.split("<!-- vault fleet: end -->").next().unwrap();
    assert_eq!(
        shown.trim(),
        vault_table().trim(),
        "run `cargo run -p envconf-fleet -- --vault` and put it there"
    );
    let page = std::fs::read_to_string(format!("{docs}/aws.md")).unwrap();
    let shown = page.split("<!-- aws fleet: begin -->\n").nth(1).unwrap();
    let shown = shown.split("<!-- aws fleet: end -->").next().unwrap();
    assert_eq!(
        shown.trim(),
        aws_table().trim(),
        "run `cargo run -p envconf-fleet -- --aws` and put it there"
    );
    assert_eq!(std::fs::read_to_string(format!("{docs}/fleet.svg")).unwrap(), plot(), "draw it with --svg");
}
