//! What the chart's roles allow and, of everything else, that they deny it: as the API server itself decides.

use std::collections::{BTreeMap, BTreeSet};

use futures::StreamExt;
use k8s_openapi::api::authorization::v1::{
    ResourceAttributes, ResourceRule, SelfSubjectRulesReview, SelfSubjectRulesReviewSpec,
    SubjectAccessReview, SubjectAccessReviewSpec,
};
use kube::Client;
use kube::api::{Api, PostParams};
use serde::Deserialize;

use crate::people::{AUM, NOK, PIM, PORTAL, Person, SOMCHAI};
use crate::world::World;

const TABLE: &str = include_str!("roles.yaml");

/// Who stands for each role.
const PEOPLE: [(&str, Person); 5] = [
    ("platform admin", PIM),
    ("approver", SOMCHAI),
    ("province officer", NOK),
    ("auditor", AUM),
    ("portal", PORTAL),
];

/// How many questions are asked at once.
const AT_ONCE: usize = 16;

#[derive(Deserialize)]
struct Table {
    verbs: Vec<String>,
    resources: BTreeMap<String, Vec<String>>,
    powers: Vec<Power>,
    places: Vec<String>,
    roles: BTreeMap<String, Vec<Grant>>,
}

#[derive(Deserialize)]
struct Power {
    verb: String,
    group: String,
    resource: String,
}

#[derive(Deserialize)]
struct Grant {
    r#where: Vec<String>,
    may: BTreeMap<String, Vec<String>>,
}

/// One question to the API server.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Question {
    verb: String,
    group: String,
    /// Such as `pods/log` or `leases=eoffice-operator`.
    resource: String,
    place: String,
}

impl Question {
    fn attributes(&self) -> ResourceAttributes {
        let (resource, name) = split(&self.resource, '=');
        let (resource, subresource) = split(resource, '/');
        ResourceAttributes {
            verb: Some(self.verb.clone()),
            group: Some(self.group.clone()),
            resource: Some(resource.into()),
            subresource: subresource.map(Into::into),
            name: name.map(Into::into),
            namespace: Some(self.place.clone()),
            version: Some("*".into()),
            ..ResourceAttributes::default()
        }
    }
}

fn split(text: &str, at: char) -> (&str, Option<&str>) {
    match text.split_once(at) {
        Some((first, second)) => (first, Some(second)),
        None => (text, None),
    }
}

impl Table {
    /// Every verb over every resource in every place, and the powers.
    fn questions(&self) -> Vec<Question> {
        let mut all = Vec::new();
        for place in &self.places {
            let ask = |verb: &str, group: &str, resource: &str| Question {
                verb: verb.into(),
                group: group.into(),
                resource: resource.into(),
                place: place.clone(),
            };
            for (group, resources) in &self.resources {
                for resource in resources {
                    all.extend(self.verbs.iter().map(|verb| ask(verb, group, resource)));
                }
            }
            let powers = self.powers.iter();
            all.extend(powers.map(|it| ask(&it.verb, &it.group, &it.resource)));
        }
        all
    }

    fn allows(&self, role: &str, question: &Question) -> bool {
        let here = |grant: &&Grant| grant.r#where.contains(&question.place);
        let grants = self.roles[role].iter().filter(here);
        grants.flat_map(|grant| &grant.may).any(|(verbs, of)| {
            verbs.split(' ').any(|verb| verb == question.verb) && of.contains(&question.resource)
        })
    }

    /// A word that is misspelt in a grant would be asked about by no question.
    fn is_whole(&self) {
        for grant in self.roles.values().flatten() {
            for place in &grant.r#where {
                assert!(self.places.contains(place), "{place}");
            }
            for (verbs, resources) in &grant.may {
                for verb in verbs.split(' ') {
                    assert!(self.verbs.iter().any(|it| it == verb), "{verb}");
                }
                for resource in resources {
                    let known = self.resources.values().flatten().any(|it| it == resource);
                    assert!(known, "{resource}");
                }
            }
        }
    }

    /// Whether the questions ask about what this rule is about.
    fn asks_about(&self, rule: &ResourceRule) -> bool {
        let resources: BTreeSet<&str> = rule
            .api_groups
            .iter()
            .flatten()
            .filter_map(|group| self.resources.get(group))
            .flatten()
            .map(|resource| split(resource, '=').0)
            .collect();
        let verbs = rule.verbs.iter().all(|verb| self.verbs.contains(verb));
        let mut of = rule.resources.iter().flatten();
        verbs && of.all(|resource| resources.contains(resource.as_str()))
    }
}

pub async fn all(world: &World) {
    let table: Table = serde_yaml::from_str(TABLE).unwrap();
    table.is_whole();
    let questions = table.questions();
    let mut wrong = Vec::new();
    for (role, person) in PEOPLE {
        assert!(table.roles.contains_key(role), "{role}");
        let client = world.admin();
        let answers = futures::stream::iter(&questions).map(async |question| {
            let may = may(&client, person, question).await;
            (question, may)
        });
        let answers: Vec<_> = answers.buffer_unordered(AT_ONCE).collect().await;
        for (question, may) in answers {
            if may != table.allows(role, question) {
                wrong.push(format!("{role} may {may}: {question:?}"));
            }
        }
        let unasked = rules(world, person, &table.places).await;
        let unasked = unasked.iter().filter(|rule| !table.asks_about(rule));
        wrong.extend(unasked.map(|rule| format!("{role}: nobody asks about {rule:?}")));
    }
    assert_eq!(table.roles.len(), PEOPLE.len());
    let count = PEOPLE.len() * questions.len();
    assert!(wrong.is_empty(), "of {count}:\n{}", wrong.join("\n"));
    println!("{count} rights asked for, each allowed or denied as the table has it");
}

async fn may(client: &Client, Person(user, group): Person, question: &Question) -> bool {
    let review = SubjectAccessReview {
        spec: SubjectAccessReviewSpec {
            user: Some(user.into()),
            groups: Some(vec![group.into(), "system:authenticated".into()]),
            resource_attributes: Some(question.attributes()),
            ..SubjectAccessReviewSpec::default()
        },
        ..SubjectAccessReview::default()
    };
    let reviews: Api<SubjectAccessReview> = Api::all(client.clone());
    let answer = reviews.create(&PostParams::default(), &review).await;
    let status = answer.unwrap().status.unwrap();
    assert_eq!(status.evaluation_error, None, "{question:?}");
    status.allowed
}

/// Every rule that gives this person something, but for what everybody may ask about himself.
async fn rules(world: &World, person: Person, places: &[String]) -> Vec<ResourceRule> {
    let reviews: Api<SelfSubjectRulesReview> = Api::all(person.client(world).await);
    let mut all = Vec::new();
    for place in places.iter().filter(|place| !place.is_empty()) {
        let review = SelfSubjectRulesReview {
            spec: SelfSubjectRulesReviewSpec {
                namespace: Some(place.clone()),
            },
            ..SelfSubjectRulesReview::default()
        };
        let answer = reviews.create(&PostParams::default(), &review).await;
        let status = answer.unwrap().status.unwrap();
        assert!(!status.incomplete, "{status:?}");
        all.extend(status.resource_rules);
    }
    let ours = |rule: &ResourceRule| {
        let about_self = |group: &String| {
            ["authentication.k8s.io", "authorization.k8s.io"].contains(&group.as_str())
        };
        !rule.api_groups.iter().flatten().all(about_self)
    };
    all.retain(ours);
    all
}
