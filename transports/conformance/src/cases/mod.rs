//! The list of cases, and the cases by theme.

mod basics;
mod faults;
mod filters;
mod life;
mod load;
mod payloads;
mod subscriptions;

use crate::case::{BrokerUse, Case, Need};

/// Hands the list to a macro: theme, name, copies in parallel, whose broker, needs.
///
/// The one list from which the table and the tests are made, so that neither can miss a case. Fewer copies than ten where
/// a case moves megabytes.
#[doc(hidden)]
#[macro_export]
macro_rules! __with_cases {
    (($($then:tt)*) $arguments:tt) => {
        $($then)*! { $arguments
            basics::a_message_arrives_whole, 10, Shared, [];
            basics::messages_of_one_publisher_keep_their_order, 10, Shared, [PublisherOrder];
            basics::each_of_two_publishers_keeps_its_order, 10, Shared, [PublisherOrder];
            basics::all_subscribers_see_one_order, 10, Shared, [TotalOrder];
            basics::every_message_arrives_once, 10, Shared, [];
            basics::many_topics_do_not_mix, 10, Shared, [];
            basics::many_subscribers_all_receive, 10, Shared, [];
            basics::many_tasks_publish_on_one_link, 10, Shared, [];
            basics::own_messages_come_back_as_the_capability_says, 10, Shared, [];
            basics::a_receipt_counts_the_receivers, 10, Shared, [DeliveryCount];
            basics::publishing_to_nobody_is_fine, 10, Shared, [];
            filters::an_exact_filter_does_not_leak_to_its_neighbours, 10, Shared, [];
            filters::a_glob_filter_receives_what_it_matches, 10, Shared, [Patterns];
            filters::a_segments_filter_receives_what_has_all_segments_of_a_set, 10, Shared, [Segments];
            filters::the_everything_filter_receives_everything, 10, Shared, [Everything];
            filters::overlapping_filters_each_receive_a_message_once, 10, Shared, [Everything];
            filters::patterns_beside_a_name_each_receive_a_message_once, 10, Shared, [Patterns];
            filters::a_filter_beyond_the_capabilities_is_unsupported, 10, Shared, [MissingFilter];
            payloads::an_empty_payload_arrives, 10, Shared, [];
            payloads::a_payload_of_one_mebibyte_arrives, 4, Shared, [Megabyte];
            payloads::the_largest_payload_arrives, 2, Shared, [MaxPayload];
            payloads::a_payload_that_is_too_large_is_refused_and_the_link_stays_up, 4, Shared, [MaxPayload];
            payloads::any_text_arrives_unchanged, 10, Shared, [];
            payloads::any_bytes_arrive_unchanged, 10, Shared, [Binary];
            payloads::bytes_that_are_no_text_are_refused, 10, Shared, [TextOnly];
            payloads::topics_of_any_text_work, 10, Shared, [];
            payloads::topics_that_are_no_text_work_or_are_refused, 10, Shared, [];
            subscriptions::two_subscriptions_to_one_topic_both_receive, 10, Shared, [];
            subscriptions::a_late_subscriber_receives_nothing_old, 10, Shared, [];
            subscriptions::after_unsubscribing_nothing_more_arrives, 10, Shared, [];
            subscriptions::a_dropped_subscription_ends, 10, Shared, [];
            subscriptions::ending_one_of_two_subscriptions_leaves_the_other, 10, Shared, [];
            subscriptions::subscribing_again_after_unsubscribing_receives_again, 10, Shared, [];
            subscriptions::churn_of_subscriptions_costs_their_neighbour_nothing, 10, Shared, [];
            life::a_link_goes_from_up_to_closed, 10, Shared, [];
            life::closing_flushes_what_was_accepted, 10, Shared, [];
            life::publishing_after_closing_gives_the_message_back, 10, Shared, [];
            life::subscribing_after_closing_is_refused, 10, Shared, [];
            life::closing_twice_and_at_once_is_fine, 10, Shared, [];
            life::closing_one_link_leaves_the_others_alone, 10, Shared, [];
            life::a_closed_link_delivers_nothing_more, 10, Shared, [];
            faults::a_broker_restart_in_the_middle_of_a_stream_is_survived, 10, Own, [Broker];
            faults::publishing_while_down_gives_the_message_back, 10, Own, [Broker];
            faults::a_link_that_starts_before_its_broker_comes_up_with_it, 10, Own, [Broker];
            faults::a_subscription_made_while_down_stands_when_up, 10, Own, [Broker];
            faults::the_states_of_a_link_are_told, 10, Own, [Broker];
            faults::a_cut_connection_is_made_again_with_its_subscriptions, 10, Shared, [Broker];
            faults::what_is_published_while_a_link_is_away_reaches_it, 10, Shared, [Resumes, Broker];
            faults::a_link_that_was_away_tells_that_messages_may_be_lost, 10, Shared, [Forgets, Broker];
            faults::a_refused_connection_is_tried_again, 10, Shared, [Broker];
            faults::a_stalled_connection_is_noticed, 10, Shared, [Broker];
            faults::a_connection_that_loses_what_the_link_sends_is_noticed, 10, Shared, [Broker];
            faults::a_connection_that_loses_what_the_broker_sends_is_noticed, 10, Shared, [Broker];
            faults::every_receipt_settles_when_the_connection_is_lost, 10, Shared, [Broker];
            faults::a_link_that_is_down_closes, 10, Shared, [Broker];
            faults::a_link_on_a_stalled_connection_closes, 10, Shared, [Broker];
            load::a_stalled_link_refuses_instead_of_growing, 2, Shared, [Broker];
            load::a_slow_subscriber_delays_nobody_else, 2, Shared, [Broker];
            load::a_slow_subscriber_costs_the_broker_bounded_memory, 1, Own, [Broker];
        }
    };
}

macro_rules! table {
    (() $($theme:ident :: $name:ident, $copies:literal, $broker:ident, [$($need:ident),*];)*) => {
        /// Every case, in the order in which they run.
        pub(crate) static CASES: &[Case] = &[$(Case {
            name: stringify!($name),
            copies: $copies,
            broker: BrokerUse::$broker,
            needs: &[$(Need::$need),*],
            run: |context| Box::pin($theme::$name(context)),
        }),*];
    };
}

__with_cases! { (table) () }
