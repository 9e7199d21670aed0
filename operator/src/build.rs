//! The objects of a group: what a spec means in Kubernetes. Pure, as everything that decides.
//!
//! [`render`] reads the spec, says everything that is wrong with it, and makes whatever does not depend on the step at
//! which the group is; [`Rendering::children`] adds that step. So a spec that makes no sense is known before anything
//! is planned, and the objects that are there stay as they are.

mod config;
mod digest;
mod mounts;
mod network;
mod patch;
mod pod;
mod references;
mod set;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use k8s_openapi::{
    api::{
        apps::v1::StatefulSet,
        core::v1::{ConfigMap, PodTemplateSpec, Secret, Service, ServiceAccount},
        networking::v1::NetworkPolicy,
        policy::v1::PodDisruptionBudget,
    },
    apimachinery::pkg::apis::meta::v1::OwnerReference,
};
use orchestrator_crds::{OrchestratorCluster, OrchestratorClusterSpec, Reason, annotation};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

pub use digest::{config_hash, digest, peers_hash, peers_of};
pub use references::{Objects, Reference, ReferenceKind, references};

use self::{
    config::{Config, Surroundings, config, judge},
    mounts::mounts,
    pod::{PodInput, TEMPLATES},
};
use crate::{names, observation::Invalid};

/// What is the same for all objects of this operator.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Context {
    /// Image of the service for objects that name none.
    pub default_image: Option<String>,
    /// Who calls the members: let through by the NetworkPolicy.
    pub operator: Option<OperatorPods>,
    /// The Prometheus operator's definitions are installed.
    pub pod_monitors: bool,
    /// Pods may not choose their users: security context constraints are installed.
    pub openshift: bool,
}

/// The pods of this operator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OperatorPods {
    /// Their namespace.
    pub namespace: String,
    /// Labels that all of them have.
    pub labels: BTreeMap<String, String>,
}

/// What was seen of one object's surroundings.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Seen {
    /// What [`references`] names.
    pub objects: Objects,
    /// `status.resolvedImage` as it is.
    pub resolved_image: Option<String>,
    /// `status.templateVersion` as it is.
    pub template_version: Option<String>,
    /// The StatefulSet as it is. Its claims cannot be changed; its image and template stand in for a status that was
    /// lost.
    pub live: Option<StatefulSet>,
}

/// A spec that makes sense, and what it means.
#[derive(Debug, Clone, PartialEq)]
pub struct Rendering {
    name: String,
    namespace: Option<String>,
    owner: Option<OwnerReference>,
    spec: OrchestratorClusterSpec,
    operator: Option<OperatorPods>,
    pod_monitors: bool,
    config: Config,
    config_name: String,
    template: Value,
    claims: Option<Value>,
    /// The image that members run: goes into the status, and comes back as [`Seen::resolved_image`].
    pub image: String,
    /// Which template members are made from: goes into the status, and comes back as [`Seen::template_version`].
    pub template_version: String,
    /// What members will remark about their configuration: keys that nobody knows, and the like.
    pub remarks: Vec<String>,
}

/// Everything that a group consists of, but for its pods and volumes.
#[derive(Debug, Clone, PartialEq)]
pub struct Children {
    /// Of the pods; without rights.
    pub service_account: ServiceAccount,
    /// With which the operator identifies itself, without its data: made once with a random [`names::TOKEN_KEY`], and
    /// never changed.
    pub token: Secret,
    /// What needs a restart, named by its hash.
    pub config: ConfigMap,
    /// What members take over.
    pub live: ConfigMap,
    /// Gives members their names.
    pub raft_service: Service,
    /// For clients.
    pub api_service: Service,
    /// Who may reach members, where that is wished.
    pub network_policy: Option<NetworkPolicy>,
    /// Where there is more than one member.
    pub disruption_budget: Option<PodDisruptionBudget>,
    /// Where it is wished and possible.
    pub pod_monitor: Option<Value>,
    /// The members.
    pub stateful_set: StatefulSet,
}

/// Reads what people wish, and everything that members would refuse.
///
/// # Errors
/// All that is wrong, each with what to write instead; what is there stays as it is.
pub fn render(
    cluster: &OrchestratorCluster,
    context: &Context,
    seen: &Seen,
) -> Result<Rendering, Vec<Invalid>> {
    let spec = &cluster.spec;
    let name = cluster.metadata.name.clone().unwrap_or_default();
    let namespace = cluster.metadata.namespace.as_deref().unwrap_or_default();
    let references = references(spec);
    let mut invalid = references::missing(&references, &seen.objects);
    let mut note = |result: Result<String, String>| {
        result.map_err(|message| invalid.push(Invalid { reason: Reason::CannotBeRendered, message })).ok()
    };
    let image = note(image(spec, context, seen));
    let template_version = note(template_version(spec, seen));
    let config = config(&name, namespace, spec, &seen.objects).map_err(|more| invalid.extend(more)).ok();
    let (Some(image), Some(template_version), Some(config), true) =
        (image, template_version, config, invalid.is_empty())
    else {
        return Err(invalid);
    };
    let config_name = names::config(&name, &digest(config.text.as_bytes()));
    let restart_hash = references::restart_hash(&references, &seen.objects);
    let input = PodInput {
        cluster,
        name: &name,
        namespace,
        image: &image,
        template_version: &template_version,
        restart_hash: restart_hash.as_deref(),
        mounts: &mounts(&name, spec, &config_name, &seen.objects),
        openshift: context.openshift,
    };
    let (template, mut remarks) = template(&input)?;
    let variable = variables(&template, &names::address(&name, namespace, spec, 0));
    let peers = names::addresses(&name, namespace, spec);
    remarks.extend(judge(&config, &peers, &spec.config, &Surroundings { variable: &variable })?);
    Ok(Rendering {
        namespace: cluster.metadata.namespace.clone(),
        owner: names::owner(cluster),
        spec: spec.clone(),
        operator: context.operator.clone(),
        pod_monitors: context.pod_monitors,
        claims: seen.live.as_ref().and_then(claims),
        name,
        config,
        config_name,
        template,
        image,
        template_version,
        remarks,
    })
}

/// What the spec says, or else what members run, unless the operator is to be followed.
fn image(spec: &OrchestratorClusterSpec, context: &Context, seen: &Seen) -> Result<String, String> {
    let running = seen.resolved_image.clone().or_else(|| live_image(seen.live.as_ref()?));
    let default = context.default_image.clone();
    let unnamed = if spec.update.follow_operator { default.or(running) } else { running.or(default) };
    spec.image.clone().or(unnamed).ok_or_else(|| {
        "spec.image is not set and the operator has no default: write the image of the service there, or start the \
         operator with --default-image."
            .to_owned()
    })
}

fn live_image(live: &StatefulSet) -> Option<String> {
    let containers = &live.spec.as_ref()?.template.spec.as_ref()?.containers;
    containers.iter().find(|container| container.name == names::CONTAINER)?.image.clone()
}

/// The template that members were made from stays, whatever operator looks after them now.
fn template_version(spec: &OrchestratorClusterSpec, seen: &Seen) -> Result<String, String> {
    let newest = TEMPLATES.last().expect("there is a template");
    let made_from = seen.template_version.clone().or_else(|| {
        let annotations = seen.live.as_ref()?.metadata.annotations.as_ref()?;
        annotations.get(annotation::TEMPLATE_VERSION).cloned()
    });
    match made_from {
        Some(version) if !spec.update.follow_operator => match TEMPLATES.contains(&version.as_str()) {
            true => Ok(version),
            false => Err(format!(
                "members were made from template {version} of a newer operator, and this one knows up to {newest}: \
                 upgrade the operator, or set spec.update.followOperator to true to make them from template {newest}."
            )),
        },
        _ => Ok((*newest).to_owned()),
    }
}

/// Claims as they are in the StatefulSet, without what the API server adds to them.
fn claims(live: &StatefulSet) -> Option<Value> {
    // One that is being deleted makes room for one with other claims.
    if live.metadata.deletion_timestamp.is_some() {
        return None;
    }
    let mut claims = json!(live.spec.as_ref()?.volume_claim_templates.as_ref()?);
    for claim in claims.as_array_mut()? {
        let claim = claim.as_object_mut()?;
        claim.remove("status");
        if let Some(metadata) = claim.get_mut("metadata").and_then(Value::as_object_mut) {
            metadata.retain(|field, _| matches!(field.as_str(), "name" | "labels" | "annotations"));
        }
    }
    claims.as_array().is_some_and(|claims| !claims.is_empty()).then_some(claims)
}

/// The pod template as Kubernetes reads it, and what of it nobody knows.
fn template(input: &PodInput<'_>) -> Result<(Value, Vec<String>), Vec<Invalid>> {
    let invalid = |message: String| vec![Invalid { reason: Reason::CannotBeRendered, message }];
    let merged = pod::template(input).map_err(|text| invalid(format!("{text}.")))?;
    let read: PodTemplateSpec = serde_json::from_value(merged.clone())
        .map_err(|error| invalid(format!("spec.pod.template does not make a pod template: {error}.")))?;
    let read = json!(read);
    let mut unknown = Vec::new();
    patch::unknown(&merged, &read, "spec.pod.template", &mut unknown);
    let remarks =
        unknown.iter().map(|field| format!("{field}: no field of a pod template, left out.")).collect();
    Ok((read, remarks))
}

/// Variables of the service's container as its configuration sees them, at the member that begins the list of peers.
/// What comes from elsewhere has some value.
fn variables(template: &Value, advertise: &str) -> impl Fn(&str) -> Option<String> + use<> {
    let containers = template["spec"]["containers"].as_array();
    let container = containers.into_iter().flatten().find(|container| container["name"] == names::CONTAINER);
    let container = container.cloned().unwrap_or_default();
    let advertise = advertise.to_owned();
    move |name| {
        if name == "ORCHESTRATOR_RAFT_ADVERTISE" {
            return Some(advertise.clone());
        }
        let set = container["env"].as_array().into_iter().flatten().find(|variable| variable["name"] == name);
        match set {
            Some(variable) => {
                Some(variable["value"].as_str().unwrap_or("value").replace("$(POD_NAME)", "pod"))
            }
            None => container["envFrom"].is_array().then(|| "value".to_owned()),
        }
    }
}

impl Rendering {
    /// The objects, for a StatefulSet of that many pods and members with these `RaftNodes`.
    #[must_use]
    pub fn children(&self, replicas: u32, peers: &[String]) -> Children {
        let spec = &self.spec;
        let several = spec.replicas > 1 || replicas > 1;
        let budget = spec.pod_disruption_budget.enabled && several && !spec.stopped;
        let monitor = spec.monitoring.pod_monitor.enabled && self.pod_monitors;
        Children {
            service_account: typed(set::service_account(self)),
            token: typed(set::token(self)),
            config: typed(set::config(self)),
            live: typed(set::live(self, peers)),
            raft_service: typed(network::raft_service(self)),
            api_service: typed(network::api_service(self)),
            network_policy: spec.network_policy.enabled.then(|| typed(network::network_policy(self))),
            disruption_budget: budget.then(|| typed(set::disruption_budget(self))),
            pod_monitor: monitor.then(|| network::pod_monitor(self)),
            stateful_set: typed(set::stateful_set(self, replicas)),
        }
    }

    /// The immutable file.
    #[must_use]
    pub fn config_text(&self) -> &str {
        &self.config.text
    }

    /// The file that members take over, with these `RaftNodes`.
    #[must_use]
    pub fn live_text(&self, peers: &[String]) -> String {
        self.config.live_text(peers)
    }

    /// What members report as `ConfigHash` once they run with all of it.
    #[must_use]
    pub fn config_hash(&self, peers: &[String]) -> String {
        config_hash(&[self.config_text(), &self.live_text(peers)])
    }

    /// Prefix of every route of the members' API: empty, or with a slash at its beginning and none at its end.
    #[must_use]
    pub fn url_prefix(&self) -> &str {
        &self.config.url_prefix
    }

    /// `metadata` of a child.
    fn metadata(&self, name: &str) -> Value {
        let mut metadata = json!({ "name": name, "labels": names::labels(&self.name) });
        if let Some(namespace) = &self.namespace {
            metadata["namespace"] = json!(namespace);
        }
        if let Some(owner) = &self.owner {
            metadata["ownerReferences"] = json!([owner]);
        }
        metadata
    }
}

/// What this module wrote, as Kubernetes' own type.
fn typed<T: DeserializeOwned>(value: Value) -> T {
    serde_json::from_value(value).expect("the fields written here have their types: see the tests")
}

impl Children {
    /// In the order in which they are applied, the token left out: what a pod needs comes before the StatefulSet, or
    /// pods start twice.
    #[must_use]
    pub fn documents(&self) -> Vec<Value> {
        let mut documents = vec![
            json!(self.service_account),
            json!(self.config),
            json!(self.live),
            json!(self.raft_service),
            json!(self.api_service),
        ];
        documents.extend(self.network_policy.iter().map(|policy| json!(policy)));
        documents.extend(self.disruption_budget.iter().map(|budget| json!(budget)));
        documents.extend(self.pod_monitor.clone());
        documents.push(json!(self.stateful_set));
        documents
    }

    /// Kind and name of what may be there from before and is not wished any more.
    #[must_use]
    pub fn unwanted(&self) -> Vec<(&'static str, String)> {
        let name = self.stateful_set.metadata.name.clone().unwrap_or_default();
        let kinds = [
            ("NetworkPolicy", self.network_policy.is_none()),
            ("PodDisruptionBudget", self.disruption_budget.is_none()),
            ("PodMonitor", self.pod_monitor.is_none()),
        ];
        kinds.into_iter().filter(|(_, unwanted)| *unwanted).map(|(kind, _)| (kind, name.clone())).collect()
    }
}
