//! The page.

use crate::chronicle::Chronicle;
use crate::report::Report;
use crate::scenario::Scenario;

/// Page.
pub fn page(scenario: &Scenario, report: &Report, chronicle: &Chronicle) -> String {
    format!("{scenario:?}{report:?}{chronicle:?}")
}
