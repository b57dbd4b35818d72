//! Each case catches what it is about.

use std::collections::BTreeSet;

use eventhive_conformance::{CaseResult, Outcome, run_one};

use crate::memory::{Bus, Flaw};
use crate::tcp;

/// The case, and a flaw that it must catch.
const TABLE: &[(&str, Flaw)] = &[
    ("a_message_arrives_whole", Flaw::AltersPayloads),
    ("a_message_arrives_whole", Flaw::NeverUp),
    ("a_message_arrives_whole", Flaw::NeverSettles),
    ("messages_of_one_publisher_keep_their_order", Flaw::OrdersDifferPerSubscriber),
    ("messages_of_one_publisher_keep_their_order", Flaw::Drops),
    ("each_of_two_publishers_keeps_its_order", Flaw::OrdersDifferPerSubscriber),
    ("all_subscribers_see_one_order", Flaw::OrdersDifferPerSubscriber),
    ("every_message_arrives_once", Flaw::Duplicates),
    ("every_message_arrives_once", Flaw::Drops),
    ("many_topics_do_not_mix", Flaw::LeaksToPrefixes),
    ("many_subscribers_all_receive", Flaw::Drops),
    ("many_subscribers_all_receive", Flaw::Duplicates),
    ("many_tasks_publish_on_one_link", Flaw::Drops),
    ("own_messages_come_back_as_the_capability_says", Flaw::BringsBackAllButOwn),
    ("a_receipt_counts_the_receivers", Flaw::MiscountsReceivers),
    ("publishing_to_nobody_is_fine", Flaw::NeverSettles),
    ("an_exact_filter_does_not_leak_to_its_neighbours", Flaw::LeaksToPrefixes),
    ("an_exact_filter_does_not_leak_to_its_neighbours", Flaw::TopicsAreTrimmed),
    ("a_glob_filter_receives_what_it_matches", Flaw::GlobStopsAtSlash),
    ("a_glob_filter_receives_what_it_matches", Flaw::DeliversByTheFiltersName),
    ("a_segments_filter_receives_what_has_all_segments_of_a_set", Flaw::AnySegmentSuffices),
    ("the_everything_filter_receives_everything", Flaw::DeliversByTheFiltersName),
    ("overlapping_filters_each_receive_a_message_once", Flaw::DeliversToAllOfALinkOnce),
    ("patterns_beside_a_name_each_receive_a_message_once", Flaw::DeliversToAllOfALinkOnce),
    ("patterns_beside_a_name_each_receive_a_message_once", Flaw::DeliversAfterUnsubscribing),
    ("an_empty_payload_arrives", Flaw::LosesEmpty),
    ("a_payload_of_one_mebibyte_arrives", Flaw::LosesLong),
    ("the_largest_payload_arrives", Flaw::LosesLong),
    ("a_payload_that_is_too_large_is_refused_and_the_link_stays_up", Flaw::TakesTooLarge),
    ("any_text_arrives_unchanged", Flaw::KeepsBytesOfText),
    ("any_bytes_arrive_unchanged", Flaw::KeepsBytesOfText),
    ("topics_of_any_text_work", Flaw::TopicsLoseControls),
    ("topics_that_are_no_text_work_or_are_refused", Flaw::TopicsFoldedToText),
    ("two_subscriptions_to_one_topic_both_receive", Flaw::CannotSubscribeTwice),
    ("a_late_subscriber_receives_nothing_old", Flaw::KeepsOld),
    ("after_unsubscribing_nothing_more_arrives", Flaw::DeliversAfterUnsubscribing),
    ("a_dropped_subscription_ends", Flaw::DeliversAfterDropping),
    ("ending_one_of_two_subscriptions_leaves_the_other", Flaw::EndsAllSubscriptionsToATopic),
    ("subscribing_again_after_unsubscribing_receives_again", Flaw::CannotSubscribeAgain),
    ("churn_of_subscriptions_costs_their_neighbour_nothing", Flaw::EndsAllSubscriptionsToATopic),
    ("a_link_goes_from_up_to_closed", Flaw::CallsItUpAfterClosing),
    ("closing_flushes_what_was_accepted", Flaw::LosesLastUnlessMore),
    ("publishing_after_closing_gives_the_message_back", Flaw::PublishesAfterClosing),
    ("subscribing_after_closing_is_refused", Flaw::SubscribesAfterClosing),
    ("closing_twice_and_at_once_is_fine", Flaw::CloseHangsTheSecondTime),
    ("closing_one_link_leaves_the_others_alone", Flaw::ClosesEveryLink),
    ("a_closed_link_delivers_nothing_more", Flaw::DeliversAfterClosing),
];

/// The same for a wire that can do less.
const TABLE_WITH_LESS: &[(&str, Flaw)] = &[
    ("a_filter_beyond_the_capabilities_is_unsupported", Flaw::IgnoresUnsupported),
    ("bytes_that_are_no_text_are_refused", Flaw::RefusesNobody),
    ("own_messages_come_back_as_the_capability_says", Flaw::BringsBackAllButOwn),
];

/// The same for a wire with a broker.
const TABLE_OVER_TCP: &[(&str, tcp::Flaw)] = &[
    ("a_broker_restart_in_the_middle_of_a_stream_is_survived", tcp::Flaw::RepeatsAfterReconnect),
    ("a_broker_restart_in_the_middle_of_a_stream_is_survived", tcp::Flaw::ForgetsSubscriptions),
    ("publishing_while_down_gives_the_message_back", tcp::Flaw::TakesWhileDown),
    ("a_link_that_starts_before_its_broker_comes_up_with_it", tcp::Flaw::GivesUpAtRefusal),
    ("a_subscription_made_while_down_stands_when_up", tcp::Flaw::SubscribesOnlyWhenUp),
    ("the_states_of_a_link_are_told", tcp::Flaw::NeverSaysDown),
    ("a_cut_connection_is_made_again_with_its_subscriptions", tcp::Flaw::ForgetsSubscriptions),
    ("what_is_published_while_a_link_is_away_reaches_it", tcp::Flaw::OnlySaysThatItResumes),
    ("a_link_that_was_away_tells_that_messages_may_be_lost", tcp::Flaw::NeverTellsOfGaps),
    ("a_refused_connection_is_tried_again", tcp::Flaw::GivesUpAtRefusal),
    ("a_stalled_connection_is_noticed", tcp::Flaw::NoKeepalive),
    ("a_connection_that_loses_what_the_link_sends_is_noticed", tcp::Flaw::NoKeepalive),
    ("a_connection_that_loses_what_the_broker_sends_is_noticed", tcp::Flaw::NoKeepalive),
    ("every_receipt_settles_when_the_connection_is_lost", tcp::Flaw::ForgetsReceipts),
    ("a_link_that_is_down_closes", tcp::Flaw::CloseNeedsAConnection),
    ("a_link_on_a_stalled_connection_closes", tcp::Flaw::FlushesForEver),
    ("a_stalled_link_refuses_instead_of_growing", tcp::Flaw::QueuesWithoutBound),
    ("a_slow_subscriber_delays_nobody_else", tcp::Flaw::ServesInTurn),
    ("a_slow_subscriber_costs_the_broker_bounded_memory", tcp::Flaw::KeepsAllForTheSlow),
];

fn assert_caught(result: Option<CaseResult>, flaw: &dyn std::fmt::Debug) -> &'static str {
    let result = result.expect("the case is in the list");
    let caught = matches!(result.outcome, Outcome::Failed { .. });
    assert!(caught, "{} does not catch {flaw:?}: {:?}", result.case, result.outcome);
    result.case
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_case_catches_a_link_that_breaks_what_it_is_about() {
    let mut catching = BTreeSet::new();
    for (case, flaw) in TABLE {
        catching.insert(assert_caught(run_one(case, || async { Bus::flawed(*flaw) }).await, flaw));
    }
    for (case, flaw) in TABLE_WITH_LESS {
        catching.insert(assert_caught(run_one(case, || async { Bus::plain_flawed(*flaw) }).await, flaw));
    }
    for (case, flaw) in TABLE_OVER_TCP {
        catching.insert(assert_caught(run_one(case, || async { tcp::Server::flawed(*flaw) }).await, flaw));
    }
    let untested: Vec<_> = eventhive_conformance::names().filter(|name| !catching.contains(name)).collect();
    assert!(untested.is_empty(), "no flaw proves that these can fail: {untested:?}");
}
