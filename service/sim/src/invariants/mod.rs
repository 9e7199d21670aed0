//! What must hold in every history: one file per property, each with why it is not stricter.

mod acknowledged_rows;
mod one_acknowledges;
mod one_driver;
mod one_recovery;
mod promotion_rules;
mod recoveries_end;
mod settles;

use crate::world::World;

pub(crate) use self::settles::is_settled;

/// A property: `Some` is the evidence against it.
type Check = fn(&World) -> Option<String>;

/// Checked after every event.
pub(crate) const ALWAYS: [(&str, Check); 5] = [
    ("one-acknowledges", one_acknowledges::check),
    ("acknowledged-rows", acknowledged_rows::check),
    ("one-recovery", one_recovery::check),
    ("one-driver", one_driver::check),
    ("promotion-rules", promotion_rules::check),
];

/// Checked when peace has lasted long enough.
pub(crate) const IN_THE_END: [(&str, Check); 3] = [
    ("recoveries-end", recoveries_end::check),
    ("settles", settles::check),
    ("acknowledged-rows", acknowledged_rows::check_end),
];
