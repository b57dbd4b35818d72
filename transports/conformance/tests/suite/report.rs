//! The list of results.

use eventhive_conformance::{Outcome, run_all};

use crate::memory::{Bus, Flaw};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_report_names_what_passed_and_what_each_skipped_case_lacks() {
    let report = run_all(Bus::plain).await;
    assert_eq!(report.failures().count(), 0, "{report:#?}");
    let skipped = report.results.iter().find(|result| result.case == "a_glob_filter_receives_what_it_matches").unwrap();
    assert_eq!(skipped.outcome, Outcome::Skipped { lacks: "patterns" });
    let json: serde_json::Value = serde_json::from_str(&report.to_json().unwrap()).unwrap();
    assert_eq!(json["capabilities"]["patterns"], false);
    assert_eq!(json["results"][0]["case"], "a_message_arrives_whole");
    assert_eq!(json["results"][0]["outcome"], "passed");
    assert_eq!(json["results"].as_array().unwrap().len(), eventhive_conformance::names().count());
}

#[test]
fn a_failed_test_says_which_copy_failed_at_what() {
    let failed =
        eventhive_conformance::run::run_test("a_message_arrives_whole", || async { Bus::flawed(Flaw::AltersPayloads) });
    let text = failed.unwrap_err().to_string();
    assert!(text.contains("a_message_arrives_whole-0-") && text.contains("expected"), "{text}");
}
