//! What every store does, on every store there is: each test of the suite runs on each of them. A test of the suite is a
//! function of a [`Place`], and says nothing of what is behind it.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod changes;
mod endpoints;
mod journal;
mod looking;
mod model;
mod nonces;
mod original;
mod pending;
mod place;
#[cfg(feature = "postgres")]
mod postgres;
#[cfg(feature = "postgres")]
#[path = "../../../../tests/support/postgres_server.rs"]
mod postgres_server;
mod rqlite;
mod rqlite_server;
mod sqlite;
mod subscriptions;

/// The suite, on places of one kind.
macro_rules! suite {
    ($name:ident, $place:expr; $($module:ident: $($test:ident)*;)*) => {
        mod $name {
            $($(
                #[tokio::test]
                async fn $test() {
                    $crate::$module::$test($place.await).await;
                }
            )*)*
        }
    };
}

/// The tests of the suite, in one place.
macro_rules! every_store {
    ($($(#[$only:meta])? $name:ident: $place:expr;)*) => {
        $($(#[$only])? suite! { $name, $place;
            subscriptions:
                a_subscription_is_there_once
                an_empty_url_and_an_empty_topic_are_as_good_as_others
                the_largest_url_topic_and_pattern_fit
                a_row_that_came_later_is_not_removed_by_the_number_of_an_earlier_one
                a_replacement_keeps_numbers_and_corrects_recovery_urls
                a_replacement_of_one_url_leaves_others_alone
                replacements_at_the_same_time_leave_the_result_of_one
                pages_of_a_url_are_sorted_bytewise
                text_with_a_nul_is_kept_or_refused;
            model: a_store_is_what_a_list_would_be;
            changes:
                changes_of_another_handle_are_seen
                changes_before_are_not_told
                a_change_of_a_recovery_url_is_told
                what_changes_nothing_is_told_to_nobody
                who_stops_waiting_and_waits_again_misses_nothing
                who_waits_is_told_at_once_that_the_store_is_closed;
            pending:
                a_missed_message_is_due_when_its_time_has_come
                a_later_miss_does_not_put_off_what_is_pending
                what_is_due_is_given_to_one
                what_was_not_settled_is_due_again
                a_miss_while_one_is_told_is_told_after_it
                a_miss_while_one_is_tried_does_not_begin_its_tries_anew
                a_miss_of_a_row_that_is_gone_is_none
                a_pattern_remembers_the_topic_that_was_missed;
            nonces:
                a_code_counts_once
                of_fifty_callers_with_one_code_one_gets_it
                a_code_is_forgotten_after_its_time
                many_codes_at_once_are_all_accepted
                codes_that_come_to_two_in_another_order_are_all_answered;
            journal:
                attempts_come_newest_first_and_as_they_were
                attempts_are_filtered
                a_dead_letter_comes_back_whole
                dead_letters_are_listed_without_their_bodies
                trimming_keeps_the_newest
                a_url_has_so_many_dead_letters_and_its_oldest_go_first
                dead_letters_of_a_url_have_so_many_bytes_and_the_newest_is_kept
                a_nul_in_a_text_keeps_nothing_from_the_journal;
            endpoints:
                what_is_remembered_of_a_url_comes_back
                what_two_remember_of_a_url_at_once_is_all_kept
                disabled_urls_are_listed_in_order;
        })*
    };
}

every_store! {
    sqlite_file: crate::place::sqlite_file();
    sqlite_memory: crate::place::sqlite_memory();
    rqlite_cluster: crate::rqlite::place();
    #[cfg(feature = "postgres")]
    postgres_database: crate::postgres::place();
}
