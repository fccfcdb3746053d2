//! Generated users and groups that resemble those of a company. They are the same in each run, because all values are
//! derived from an index.

use std::collections::BTreeSet;
use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use scim_model::store::NewResource;
use scim_model::{Document, Policy, ResourceType, SchemaRegistry, SecretHashes};
use serde_json::{Value, json};
use uuid::Uuid;

const USER_URN: &str = "urn:ietf:params:scim:schemas:core:2.0:User";
const ENTERPRISE_URN: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";
const GROUP_URN: &str = "urn:ietf:params:scim:schemas:core:2.0:Group";

/// The resources of one tenant.
pub(crate) struct Company {
    pub(crate) user: Arc<ResourceType>,
    pub(crate) group: Arc<ResourceType>,
    /// Distinguishes the resources of different tenants.
    seed: u64,
}

impl Company {
    pub(crate) fn new(seed: u64) -> Company {
        let registry = SchemaRegistry::builtin();
        let of = |name| {
            registry
                .resource_type(name)
                .expect("the resource type is built in")
                .clone()
        };
        Company {
            user: of("User"),
            group: of("Group"),
            seed,
        }
    }

    pub(crate) fn user_id(&self, index: u64) -> Uuid {
        self.id(1, index)
    }

    pub(crate) fn group_id(&self, index: u64) -> Uuid {
        self.id(2, index)
    }

    /// Returns a UUIDv7 with the time of creation of the resource.
    fn id(&self, kind: u64, index: u64) -> Uuid {
        let mut random = Random(self.seed ^ (kind << 56) ^ index.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let mut bytes = [0; 10];
        bytes[..8].copy_from_slice(&random.next().to_be_bytes());
        let millis = u64::try_from(created(index).timestamp_millis()).unwrap_or(0);
        uuid::Builder::from_unix_timestamp_millis(millis, &bytes).into_uuid()
    }

    pub(crate) fn user_name(&self, index: u64) -> String {
        let Person { given, family, .. } = self.person(index);
        format!("{given}.{family}{index}@example.com")
    }

    pub(crate) fn external_id(&self, index: u64) -> String {
        format!("hr-{index:09}")
    }

    pub(crate) fn family_name(&self, index: u64) -> String {
        self.person(index).family
    }

    /// Returns the work email address, which differs from the user name.
    pub(crate) fn email(&self, index: u64) -> String {
        let Person { given, family, .. } = self.person(index);
        format!(
            "{}.{}.{index}@corp.example.com",
            given.to_lowercase(),
            family.to_lowercase()
        )
    }

    pub(crate) fn new_user(&self, index: u64) -> NewResource {
        self.new_resource(
            &self.user,
            self.user_id(index),
            index,
            self.user_json(index, None),
            Vec::new(),
        )
    }

    /// Returns the document of a user, with the given `title` instead of the generated one if there is one.
    pub(crate) fn user_document(&self, index: u64, title: Option<&str>) -> Document {
        parsed(&self.user, self.user_json(index, title))
    }

    pub(crate) fn new_group(&self, index: u64, name: &str, members: Vec<Uuid>) -> NewResource {
        let json =
            json!({"schemas": [GROUP_URN], "displayName": name, "externalId": format!("group-{index}")});
        self.new_resource(&self.group, self.group_id(index), index, json, members)
    }

    /// Returns `number` different users among the first `users`.
    pub(crate) fn some_users(&self, group: u64, number: u64, users: u64) -> Vec<Uuid> {
        if number.saturating_mul(2) > users {
            return (0..number.min(users)).map(|it| self.user_id(it)).collect();
        }
        let mut random = Random(self.seed ^ group.wrapping_mul(0x2545_f491_4f6c_dd1d));
        let mut chosen = BTreeSet::new();
        while (chosen.len() as u64) < number {
            chosen.insert(random.below(users));
        }
        chosen.into_iter().map(|it| self.user_id(it)).collect()
    }

    fn new_resource(
        &self,
        resource_type: &Arc<ResourceType>,
        id: Uuid,
        index: u64,
        json: Value,
        members: Vec<Uuid>,
    ) -> NewResource {
        NewResource {
            resource_type: resource_type.clone(),
            id,
            now: created(index),
            document: parsed(resource_type, json),
            members,
            secrets: SecretHashes::new(),
        }
    }

    fn person(&self, index: u64) -> Person {
        let mut random = Random(self.seed ^ index.wrapping_mul(0xd6e8_feb8_6659_fd93));
        let given = random.one_of(GIVEN_NAMES);
        let mut family = String::new();
        for _ in 0..3 {
            family.push_str(random.one_of(SYLLABLES));
        }
        let family = family[..1].to_uppercase() + &family[1..];
        Person {
            given,
            family,
            random,
        }
    }

    /// Returns the user document of an employee as a directory sends it, about 1.3 KB.
    fn user_json(&self, index: u64, title: Option<&str>) -> Value {
        let user_name = self.user_name(index);
        let Person {
            given,
            family,
            mut random,
        } = self.person(index);
        let place = random.below(PLACES.len() as u64) as usize;
        let (locality, region, postal_code, country) = PLACES[place];
        let street = format!("{} {} Street", 1 + random.below(900), random.one_of(STREETS));
        let number = |random: &mut Random| {
            format!(
                "tel:+1-{:03}-555-{:04}",
                201 + random.below(700),
                random.below(10_000)
            )
        };
        let title = title.unwrap_or_else(|| random.one_of(TITLES));
        json!({
            "schemas": [USER_URN, ENTERPRISE_URN],
            "externalId": self.external_id(index),
            "userName": user_name,
            "name": {
                "formatted": format!("{given} {family}"),
                "familyName": family,
                "givenName": given,
            },
            "displayName": format!("{given} {family}"),
            "nickName": &given[..3],
            "profileUrl": format!("https://people.example.com/profiles/{index}"),
            "title": title,
            "userType": "Employee",
            "preferredLanguage": "en-US",
            "locale": "en-US",
            "timezone": random.one_of(TIME_ZONES),
            "active": random.below(20) > 0,
            "emails": [
                {"value": self.email(index), "type": "work", "primary": true},
                {"value": format!("{}{index}@home.example.net", given.to_lowercase()), "type": "home"},
            ],
            "phoneNumbers": [
                {"value": number(&mut random), "type": "work"},
                {"value": number(&mut random), "type": "mobile"},
            ],
            "addresses": [{
                "formatted": format!("{street}\n{locality}, {region} {postal_code} {country}"),
                "streetAddress": street,
                "locality": locality,
                "region": region,
                "postalCode": postal_code,
                "country": country,
                "type": "work",
                "primary": true,
            }],
            ENTERPRISE_URN: {
                "employeeNumber": format!("{}", 100_000 + index),
                "costCenter": format!("{}", 4_000 + random.below(300)),
                "organization": "Universal Studios",
                "division": random.one_of(DIVISIONS),
                "department": random.one_of(DEPARTMENTS),
                "manager": {"value": self.user_id(index / 12).to_string()},
            },
        })
    }
}

struct Person {
    given: &'static str,
    family: String,
    random: Random,
}

fn parsed(resource_type: &ResourceType, json: Value) -> Document {
    Document::for_create(resource_type, json, Policy { lenient: false })
        .expect("the generated document conforms to the schema")
        .document
}

/// Returns the time of creation of a resource: one resource every ten seconds.
pub(crate) fn created(index: u64) -> DateTime<Utc> {
    let beginning = DateTime::from_timestamp(1_600_000_000, 0).expect("the timestamp is in range");
    beginning + TimeDelta::seconds(10 * i64::try_from(index).unwrap_or(0))
}

/// The SplitMix64 generator, which is small and gives the same numbers on every platform.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub(crate) fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit.max(1)
    }

    fn one_of(&mut self, all: &[&'static str]) -> &'static str {
        all[self.below(all.len() as u64) as usize]
    }
}

const GIVEN_NAMES: &[&str] = &[
    "Alice", "Andreas", "Barbara", "Bruno", "Carmen", "Chen", "Dalia", "David", "Elena", "Erik", "Fatima",
    "Felix", "Grace", "Hannah", "Hugo", "Ines", "Ivan", "Jasmin", "Jonas", "Karim", "Laura", "Leon", "Maria",
    "Mateo", "Nadia", "Noah", "Olga", "Oscar", "Paula", "Pierre", "Quentin", "Rosa", "Samuel", "Sofia",
    "Tariq", "Teresa", "Ursula", "Viktor", "Wanda", "Xavier", "Yusuf", "Zoe",
];
/// Three syllables form a family name. About a twelfth of the names contain an `x`.
const SYLLABLES: &[&str] = &[
    "ba", "ber", "den", "dor", "fal", "gar", "han", "jen", "kal", "lin", "mar", "mel", "nor", "ol", "per",
    "ran", "ros", "sen", "sol", "tan", "tor", "ul", "ven", "win", "wor", "yal", "zim", "hof", "man", "ley",
    "ford", "ton", "gren", "dal", "ek", "xel",
];
const PLACES: &[(&str, &str, &str, &str)] = &[
    ("Hollywood", "CA", "91608", "US"),
    ("Portland", "OR", "97201", "US"),
    ("Berlin", "BE", "10115", "DE"),
    ("Lyon", "ARA", "69001", "FR"),
    ("Osaka", "OS", "530-0001", "JP"),
    ("Leeds", "WYK", "LS1 1UR", "GB"),
];
const STREETS: &[&str] = &[
    "Universal City",
    "Harbour",
    "Station",
    "Mill",
    "Orchard",
    "Castle",
    "Market",
];
const TITLES: &[&str] = &[
    "Tour Guide",
    "Engineer",
    "Senior Engineer",
    "Accountant",
    "Vice President",
    "Nurse",
    "Teacher",
    "Tax Officer",
];
const TIME_ZONES: &[&str] = &[
    "America/Los_Angeles",
    "Europe/Berlin",
    "Asia/Tokyo",
    "Europe/London",
];
const DIVISIONS: &[&str] = &["Theme Park", "Film", "Retail", "Logistics"];
const DEPARTMENTS: &[&str] = &["Tour Operations", "Payroll", "Research", "Support", "Security"];
