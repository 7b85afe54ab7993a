//! The two stores, each against the same promises and against its own hard cases, with real etcd,
//! real files and real processes.

// A test's name is its documentation; helpers outside of test functions may fail the test as well.
#![allow(missing_docs, clippy::unwrap_used, clippy::print_stdout)]

mod child;
mod directory;
mod etcd;
mod fixture;
mod promises;
mod relay;
mod seen;

/// The suite: every promise on both stores.
macro_rules! on_both {
    ($($promise:ident)*) => {
        mod on_etcd {
            $(#[tokio::test]
            async fn $promise() {
                crate::promises::$promise(crate::fixture::Fixture::etcd().await).await;
            })*
        }

        mod on_directory {
            $(#[tokio::test]
            async fn $promise() {
                crate::promises::$promise(crate::fixture::Fixture::directory()).await;
            })*
        }
    };
}

on_both! {
    a_transaction_is_seen_as_one_event
    a_transaction_of_the_greatest_size_is_seen_as_one_event
    a_transaction_of_leased_keys_is_seen_as_one_event
    a_condition_that_does_not_hold_writes_nothing
    every_condition_holds_when_it_should
    every_put_has_a_token_of_its_own_and_reading_makes_none
    the_watch_the_commit_and_the_read_name_the_same_tokens
    a_watch_tells_of_its_prefix_and_of_nothing_else
    a_value_put_by_hand_arrives
    a_key_deleted_by_hand_is_gone
    a_quiet_watch_says_that_it_is_in_touch
    values_of_all_kinds_come_back_as_they_were
    a_transaction_that_cannot_be_is_refused_with_a_reason
    a_later_app_is_younger_and_stays_so
    a_leased_key_stays_while_its_holder_lives
    a_leased_key_goes_when_its_session_is_closed
    a_leased_key_goes_when_its_session_is_dropped
    a_leased_key_goes_when_its_holder_is_killed
    a_lock_passes_from_a_killed_holder_to_a_waiting_one
    a_leased_key_taken_over_by_another_session_is_that_ones
    a_closed_session_writes_nothing_more
    writers_in_two_processes_lose_nothing
}
