//! Users and groups like those of a company. All values are derived from an index, so they are the same in each run.

use std::collections::BTreeSet;
use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use scim_model::change::Actor;
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
    /// Returns the resources of the large tenant.
    pub(crate) fn large() -> Company {
        Company::new(1)
    }

    /// Returns the resources of a small tenant.
    pub(crate) fn small(tenant: &str) -> Company {
        Company::new(tenant.bytes().fold(7, |seed, byte| seed * 31 + u64::from(byte)))
    }

    fn new(seed: u64) -> Company {
        let registry = SchemaRegistry::builtin();
        let built_in = |name| {
            registry
                .resource_type(name)
                .expect("the resource type is built in")
        };
        let (user, group) = (built_in("User").clone(), built_in("Group").clone());
        Company { user, group, seed }
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
        let (given, family, _) = self.person(index);
        format!("{given}.{family}{index}@example.com")
    }

    /// Returns the work email address, which differs from the user name.
    pub(crate) fn email(&self, index: u64) -> String {
        let (given, family, _) = self.person(index);
        format!("{given}.{family}.{index}@corp.example.com").to_lowercase()
    }

    pub(crate) fn new_user(&self, index: u64) -> NewResource {
        NewResource {
            resource_type: self.user.clone(),
            id: self.user_id(index),
            now: created(index),
            actor: Actor::System,
            document: self.user_document(index, None),
            members: Vec::new(),
            secrets: SecretHashes::new(),
        }
    }

    pub(crate) fn new_group(&self, index: u64, name: &str, members: Vec<Uuid>) -> NewResource {
        let id = format!("group-{index}");
        let json = json!({"schemas": [GROUP_URN], "displayName": name, "externalId": id});
        NewResource {
            resource_type: self.group.clone(),
            id: self.group_id(index),
            now: created(index),
            actor: Actor::System,
            document: parsed(&self.group, json),
            members,
            secrets: SecretHashes::new(),
        }
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

    /// Returns the given name, the family name, and the generator for the other values of a user.
    fn person(&self, index: u64) -> (&'static str, String, Random) {
        let mut random = Random(self.seed ^ index.wrapping_mul(0xd6e8_feb8_6659_fd93));
        let given = random.one_of(GIVEN_NAMES);
        let family: String = (0..3).map(|_| random.one_of(SYLLABLES)).collect();
        (given, family[..1].to_uppercase() + &family[1..], random)
    }

    /// Returns the user document of an employee as a directory sends it, about 1.3 KB, with the given `title` instead
    /// of the generated one if there is one.
    pub(crate) fn user_document(&self, index: u64, title: Option<&str>) -> Document {
        let (given, family, mut random) = self.person(index);
        let place: Vec<&str> = random.one_of(PLACES).split('/').collect();
        let street = format!("{} {} Street", 1 + random.below(900), random.one_of(STREETS));
        let phone = |random: &mut Random| {
            let (area, number) = (201 + random.below(700), random.below(10_000));
            format!("tel:+1-{area:03}-555-{number:04}")
        };
        let title = title.unwrap_or_else(|| random.one_of(TITLES));
        let json = json!({
            "schemas": [USER_URN, ENTERPRISE_URN], "externalId": format!("hr-{index:09}"),
            "userName": self.user_name(index), "displayName": format!("{given} {family}"),
            "name": {"formatted": format!("{given} {family}"), "familyName": family, "givenName": given},
            "nickName": &given[..3], "profileUrl": format!("https://people.example.com/profiles/{index}"),
            "title": title, "userType": "Employee", "preferredLanguage": "en-US", "locale": "en-US",
            "timezone": random.one_of(TIME_ZONES), "active": random.below(20) > 0,
            "emails": [
                {"value": self.email(index), "type": "work", "primary": true},
                {"value": format!("{}{index}@home.example.net", given.to_lowercase()), "type": "home"},
            ],
            "phoneNumbers": [
                {"value": phone(&mut random), "type": "work"},
                {"value": phone(&mut random), "type": "mobile"},
            ],
            "addresses": [{
                "formatted": format!("{street}\n{}, {} {} {}", place[0], place[1], place[2], place[3]),
                "streetAddress": street, "locality": place[0], "region": place[1], "postalCode": place[2],
                "country": place[3], "type": "work", "primary": true,
            }],
            ENTERPRISE_URN: {
                "employeeNumber": format!("{}", 100_000 + index),
                "costCenter": format!("{}", 4_000 + random.below(300)), "organization": "Universal Studios",
                "division": random.one_of(DIVISIONS), "department": random.one_of(DEPARTMENTS),
                "manager": {"value": self.user_id(index / 12).to_string()},
            },
        });
        parsed(&self.user, json)
    }
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
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub(crate) fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit.max(1)
    }

    /// Chooses one of the values in a list with commas.
    fn one_of(&mut self, list: &'static str) -> &'static str {
        let number = list.split(',').count() as u64;
        let chosen = list.split(',').nth(self.below(number) as usize);
        chosen.expect("the index is below the number of values")
    }
}

const GIVEN_NAMES: &str = "Alice,Andreas,Barbara,Bruno,Carmen,Chen,Dalia,David,Elena,Erik,Fatima,Felix,Grace,\
    Hannah,Hugo,Ines,Ivan,Jasmin,Jonas,Karim,Laura,Leon,Maria,Mateo,Nadia,Noah,Olga,Oscar,Paula,Pierre,Quentin,\
    Rosa,Samuel,Sofia,Tariq,Teresa,Ursula,Viktor,Wanda,Xavier,Yusuf,Zoe";
/// Three syllables form a family name. About a twelfth of the names contain an `x`.
const SYLLABLES: &str = "ba,ber,den,dor,fal,gar,han,jen,kal,lin,mar,mel,nor,ol,per,ran,ros,sen,sol,tan,tor,ul,ven,\
    win,wor,yal,zim,hof,man,ley,ford,ton,gren,dal,ek,xel";
/// Locality, region, postal code and country.
const PLACES: &str = "Hollywood/CA/91608/US,Portland/OR/97201/US,Berlin/BE/10115/DE,Lyon/ARA/69001/FR,\
    Osaka/OS/530-0001/JP,Leeds/WYK/LS1 1UR/GB";
const STREETS: &str = "Universal City,Harbour,Station,Mill,Orchard,Castle,Market";
const TITLES: &str =
    "Tour Guide,Engineer,Senior Engineer,Accountant,Vice President,Nurse,Teacher,Tax Officer";
const TIME_ZONES: &str = "America/Los_Angeles,Europe/Berlin,Asia/Tokyo,Europe/London";
const DIVISIONS: &str = "Theme Park,Film,Retail,Logistics";
const DEPARTMENTS: &str = "Tour Operations,Payroll,Research,Support,Security";
