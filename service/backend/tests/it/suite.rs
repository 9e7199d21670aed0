//! One contract for every backend: each claim below becomes a test of each of them.

pub(crate) mod declared;
pub(crate) mod instances;
pub(crate) mod journal;
pub(crate) mod merging;
pub(crate) mod recovery;
pub(crate) mod rules;
pub(crate) mod snapshot;
pub(crate) mod tokens;

use orchestrator_backend::Backend;

/// Makes an empty database with the schema of this crate.
pub(crate) type Make<'m> = &'m dyn Fn() -> Box<dyn Backend>;

macro_rules! claims {
    ($backend:ident, $make:path: $($module:ident { $($claim:ident),+ $(,)? })+) => {
        mod $backend {
            $(mod $module {
                $(#[test]
                fn $claim() {
                    crate::suite::$module::$claim(&$make);
                })+
            })+
        }
    };
}

macro_rules! contract {
    ($backend:ident, $make:path) => {
        claims! { $backend, $make:
            declared {
                a_repeated_downtime_replaces_the_former,
                an_ended_downtime_is_gone,
                a_promotion_rule_keeps_its_spelling_and_time,
                the_switch_and_aliases_and_pairs_are_declared,
                pools_are_listed_one_or_all,
                an_instance_is_discovered_until_it_is_forgotten,
                what_is_due_expires_and_nothing_else,
                a_downtime_of_a_lost_instance_is_renewed,
            }
            tokens {
                a_token_is_redeemed_once_and_in_time,
                a_token_that_never_grows_old_is_redeemed_again,
                old_tokens_go_when_a_new_one_is_issued,
            }
            instances {
                an_instance_reads_back_as_it_was_written,
                the_newest_value_replaces_the_former,
                a_seed_does_not_overwrite_what_is_known,
                an_instance_of_mariadb_has_no_set_of_mysql,
                one_alias_belongs_to_one_cluster,
            }
            journal {
                the_audit_is_read_by_pages_newest_first,
                a_process_refreshes_its_own_row,
                only_changes_of_analysis_are_noted,
                old_history_is_purged_and_active_things_stay,
                a_failed_transaction_leaves_nothing,
            }
            recovery {
                a_recovery_lives_from_begin_to_end,
                asking_twice_begins_once,
                the_name_of_a_cluster_goes_with_its_last_primary,
                forgetting_takes_back_what_a_recovery_declared_and_no_more,
                progress_is_compare_and_set,
                an_end_declares_what_it_leaves_behind,
                numbers_rise_also_after_a_purge,
                recoveries_are_found_by_each_filter,
                a_second_detection_is_known_already,
                an_acknowledged_recovery_blocks_no_more,
                an_unfinished_recovery_stays_active_when_acknowledged,
                recoveries_that_end_in_one_second_do_not_clash,
            }
            rules {
                an_unfinished_recovery_blocks_its_cluster_even_by_force,
                an_unfinished_recovery_blocks_whatever_the_block_period_is,
                an_unfinished_recovery_blocks_the_instance_it_chose_and_its_cluster,
                a_finished_recovery_blocks_for_its_period_unless_forced,
                a_successor_is_protected_for_the_period,
                another_cluster_is_not_blocked,
                the_switch_and_a_downtime_block_unless_forced,
                a_refusal_is_shown_until_its_blocker_is_acknowledged,
            }
            snapshot {
                a_snapshot_carries_intent_and_nothing_else,
                an_installed_snapshot_replaces_intent_and_keeps_observations,
                a_recovery_that_ended_meanwhile_becomes_history,
                a_foreign_past_moves_aside,
                a_damaged_snapshot_changes_nothing,
                a_newer_snapshot_is_refused,
            }
            merging {
                installing_changes_only_what_differs,
                whatever_was_there_what_was_sent_is_there,
            }
        }
    };
}

contract!(sqlite, crate::support::in_memory);
contract!(mysql, crate::servers::mysql);
contract!(mariadb, crate::servers::mariadb);
