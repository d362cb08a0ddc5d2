//! Given events in a real log, then rows: what the read models keep to, whatever they are stored in.

#[cfg(test)]
mod given;
#[cfg(test)]
mod order_status;
#[cfg(test)]
mod outcomes;
#[cfg(test)]
mod review_queue;
#[cfg(test)]
mod runner;
#[cfg(test)]
mod search;
#[cfg(test)]
mod shared;
#[cfg(test)]
mod stock_holds;

/// One test for each promise.
#[cfg(test)]
macro_rules! contract {
    ($backend:ident) => {
        crate::contract!($backend, order_status:
            a_challenged_order_shows_its_score_hits_and_challenge,
            an_order_is_held_since_the_first_of_an_unbroken_series,
            an_order_that_is_screened_again_after_its_release_stays_released,
            a_verified_order_has_no_challenge_any_more,
            a_status_may_come_before_the_order_and_is_kept_when_it_is_placed,
            the_newest_status_by_its_own_clock_wins_and_at_equal_times_the_later_arrival,
            a_status_from_the_future_counts_from_its_arrival_and_is_shown_as_reported,
            each_source_shows_its_own_newest_report,
            an_amendment_changes_the_leaves_it_names_and_no_other,
            another_merchants_order_of_the_same_number_is_another_order,
        );
        crate::contract!($backend, outcomes:
            what_became_of_an_order_follows_from_what_happened_to_it,
            an_order_counts_for_what_fired_in_its_last_screening,
            what_came_of_asking_is_told_by_method,
            times_are_from_placement_to_the_decision_and_to_the_end,
            what_asking_takes_begins_with_the_question,
            the_hold_out_is_told_by_the_tier_it_reached,
            stock_that_was_due_and_is_called_off_is_freed,
            the_queue_is_told_as_it_is_now,
        );
        crate::contract!($backend, stock_holds:
            an_order_holds_its_stock_under_its_strongest_cause,
            orders_of_one_sku_are_summed_and_the_oldest_is_told,
            reports_hold_the_same_however_late_repeated_or_reordered,
            amended_lines_take_the_place_of_those_before,
            held_skus_are_listed_page_by_page,
            sums_that_were_followed_are_those_of_a_build,
        );
        crate::contract!($backend, review_queue:
            a_review_follows_what_happens_to_the_order,
            an_order_that_reaches_a_tier_long_after_its_placement_enters_with_its_amount,
            a_cancelled_order_has_nothing_at_stake,
            a_review_that_is_opened_again_begins_anew_and_remembers_it,
            a_review_says_why_a_person_has_to_look_while_one_has_to,
            the_most_urgent_review_comes_first_and_moves_as_its_order_does,
            a_claim_counts_until_its_lease_runs_out,
            reviews_are_sorted_by_urgency_age_or_deadline,
            how_soon_a_person_should_look_is_as_the_merchant_has_set_it_now,
            reviews_are_narrowed_by_state_tier_and_rule,
        );
        crate::contract!($backend, runner:
            stopped_and_resumed_at_any_event_the_rows_are_those_of_one_run,
            a_follower_is_level_soon_after_each_append_and_stops_when_told,
            events_of_other_aggregates_move_the_checkpoint_and_nothing_else,
            a_poison_event_stops_the_read_model_right_before_it_and_look_ups_go_on,
            rows_of_another_log_are_not_gone_on_with,
            a_rebuilt_read_model_has_the_rows_it_had,
            a_rebuilt_read_model_finds_orders_by_what_it_found_them_by,
            a_rebuild_while_orders_arrive_loses_none_and_never_shows_less,
            a_look_up_by_a_handle_sees_the_old_build_or_the_new_one_and_nothing_between,
            a_log_that_cannot_be_read_is_told_and_not_taken_for_an_empty_one,
        );
        crate::contract!($backend, search:
            an_order_is_found_by_every_handle_and_the_newest_comes_first,
            a_list_neither_repeats_nor_hides_an_order_while_new_ones_arrive,
            a_cursor_of_another_list_is_refused,
            links_count_the_other_orders_and_never_the_order_itself,
            linked_orders_are_listed_page_by_page,
            an_order_that_was_found_by_what_was_amended_is_found_by_what_it_is_now,
        );
    };
    ($backend:ident, $room:ident: $($promise:ident),+ $(,)?) => {
        mod $room {
            $(
                #[tokio::test]
                async fn $promise() {
                    crate::$room::$promise(crate::given::Backend::$backend).await;
                }
            )+
        }
    };
}
#[cfg(test)]
use contract;

#[cfg(test)]
mod sqlite {
    crate::contract!(Sqlite);
}

#[cfg(test)]
mod postgres {
    crate::contract!(Postgres);
}
