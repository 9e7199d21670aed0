//! Labels that the configuration's patterns read out of host names, where no query told them.

use std::sync::Arc;

use orchestrator_config::{ClassificationSettings, HostPattern};
use orchestrator_core::observation::{Observation, Outcome};

/// Fills in labels from host names.
#[derive(Debug, Clone)]
pub(crate) struct Classifier(Arc<ClassificationSettings>);

impl Classifier {
    /// With the patterns of `settings`.
    pub(crate) fn new(settings: ClassificationSettings) -> Self {
        Self(Arc::new(settings))
    }

    /// A label that a query told wins over the pattern's.
    pub(crate) fn classify(&self, observation: &mut Observation) {
        let Outcome::Read(reading) = &mut observation.outcome else { return };
        let hostname = reading.instance.key.hostname.clone();
        let fill = |label: &mut String, pattern: &Option<HostPattern>| {
            if label.is_empty()
                && let Some(found) = pattern.as_ref().and_then(|pattern| pattern.capture(&hostname))
            {
                *label = found.into();
            }
        };
        let labels = &mut reading.instance.labels;
        fill(&mut labels.data_center, &self.0.data_center_pattern);
        fill(&mut labels.region, &self.0.region_pattern);
        fill(&mut labels.environment, &self.0.environment_pattern);
    }
}
