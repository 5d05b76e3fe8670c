//! What is said of models that are not right.

use super::*;

const PLAIN: &str = include_str!("../../../users/plain.toml");

fn complaint(from: &str, to: &str) -> String {
    assert!(PLAIN.contains(from));
    model("x", "x.toml", &PLAIN.replacen(from, to, 1)).unwrap_err().to_string()
}

#[test]
fn what_is_not_toml_is_told_with_line_and_column() {
    let text = complaint("[users]", "[users");
    assert!(text.starts_with("x.toml:5:"), "{text}");
    assert!(text.contains("5 | [users"), "{text}");
}

#[test]
fn a_wrong_type_is_told_with_line_and_what_was_expected() {
    let text = complaint("80_000", "\"many\"");
    assert!(text.starts_with("x.toml:6:9: invalid type: string \"many\", expected u32"), "{text}");
}

#[test]
fn an_unknown_key_is_refused_with_the_known_ones() {
    let text = complaint("[sign_in_batch]", "[sign_in_bach]");
    assert!(text.contains("unknown field `sign_in_bach`") && text.contains("`sign_in_batch`"), "{text}");
    let text = complaint("unit = \"users\"", "unit = \"users\"\nsauce = \"none\"");
    assert!(text.starts_with("x.toml:8:") && text.contains("`sauce`"), "{text}");
}

#[test]
fn a_missing_key_is_named() {
    let start = PLAIN.find("[sign_in_window]").unwrap();
    let end = PLAIN.find("[sign_in_batch]").unwrap();
    let without = format!("{}{}", &PLAIN[..start], &PLAIN[end..]);
    let text = model("x", "x.toml", &without).unwrap_err().to_string();
    assert!(text.contains("missing field `sign_in_window`"), "{text}");
}

#[test]
fn a_value_out_of_range_is_told_with_key_and_line() {
    let text = complaint("value = 1\nunit = \"endpoints\"", "value = 0\nunit = \"endpoints\"");
    assert_eq!(text, "x.toml:11: `endpoints_per_user` is 0, but must be from 1 to 64 endpoints");
    let text = complaint("value = 32", "value = nan");
    assert!(text.contains("`document_mean` is NaN"), "{text}");
}

#[test]
fn a_wrong_unit_is_refused() {
    let text = complaint("unit = \"bytes\"", "unit = \"KB\"");
    assert!(text.contains("`document_mean` is in `KB`, but must be in `bytes`"), "{text}");
}

#[test]
fn shares_must_fit_the_categories() {
    let text = complaint("[1.0]", "[0.5, 0.6]");
    assert!(text.contains("`category_shares` is 2 shares with a sum of 1.1"), "{text}");
}

#[test]
fn shares_of_watchers_must_come_to_all_of_them() {
    let text = complaint("value = 1.0\nunit = \"share of watchers\"", "value = 0.9\nunit = \"share of watchers\"");
    assert!(text.contains("`watchers_internal_share` is 0.9, and with the other two shares 0.9"), "{text}");
}

#[test]
fn plain_presence_has_neither_policies_nor_anything_to_compose() {
    let text = complaint("value = 0\nunit = \"edits", "value = 1\nunit = \"edits");
    assert!(text.contains("`policy_edits_per_hour` is 1, but must be from 0 to 0"), "{text}");
    let text = complaint("value = \"plain\"", "value = \"simple\"");
    assert!(text.contains("unknown variant `simple`, expected `plain` or `lync`"), "{text}");
}

#[test]
fn a_log_normal_needs_its_sigma() {
    let text = complaint("\"constant\"", "\"log-normal\"");
    assert!(text.contains("`contacts_sigma` is missing"), "{text}");
}

#[test]
fn plain_presence_has_no_sessions_that_ask() {
    let text = complaint("value = 0\nunit = \"polls", "value = 1\nunit = \"polls");
    assert!(text.contains("`polls_per_hour` is 1, but must be from 0 to 0"), "{text}");
}
