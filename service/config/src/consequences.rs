//! What someone relies on who set a key that has no effect: one plain warning each.
//!
//! The list of keys without effect is easy to skip; these are the ones that somebody would miss.

use crate::keys::File;
use crate::problem::Report;
use crate::value::Field;

/// Warns about every such key that is set to ask for something.
pub(crate) fn warn(file: &File, report: &mut Report) {
    let unpublished = "this version does not publish primaries there; let a hook do it";
    warn_if(!file.ConsulAddress.is_empty(), &file.ConsulAddress, unpublished, report);
    warn_if(!file.ZkAddress.is_empty(), &file.ZkAddress, unpublished, report);
    warn_if(*file.ServeAgentsHttp, &file.ServeAgentsHttp, "agents are no longer served", report);
    let no_pseudo_gtid = "Pseudo-GTID is not supported; match and regroup commands on it are unavailable";
    warn_if(*file.AutoPseudoGTID, &file.AutoPseudoGTID, no_pseudo_gtid, report);
    let pattern = &file.PseudoGTIDPattern;
    warn_if(pattern.is_set() && !pattern.is_empty(), pattern, no_pseudo_gtid, report);
}

fn warn_if<T>(relied_on: bool, field: &Field<T>, text: &str, report: &mut Report) {
    if relied_on {
        report.warn(field.place.as_ref(), field.name, text);
    }
}
