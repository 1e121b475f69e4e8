//! Checks that `envconf/docs/public-api.txt` lists the public items of the source.

use std::process::Command;

#[test]
fn the_listing_of_the_public_items_is_up_to_date() {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../../.ci/public-api");
    let output = Command::new("python3").arg(script).output().expect("Python 3 is installed");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(output.status.success(), "{}{}", text(&output.stdout), text(&output.stderr));
}
