//! Lists in pages, by a cursor.

use std::str::FromStr;

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde::Serialize;
use utoipa::ToSchema;

use super::input::Parameters;
use super::problem::Problem;

/// The usual and the largest number of items on a page.
const LIMIT: usize = 100;
/// See [`LIMIT`].
const LARGEST_LIMIT: usize = 1000;

/// The parameters of a list.
pub(super) const PARAMETERS: [&str; 2] = ["limit", "after"];

/// A page of a list.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Items<T> {
    /// The items.
    pub(super) items: Vec<T>,
    /// The value of `after` for the next page; `null` on the last page.
    #[schema(required)]
    pub(super) next: Option<String>,
}

/// The wanted part of a list.
#[derive(Debug)]
pub(super) struct Paging {
    limit: usize,
    /// The key of the last item of the page before.
    after: Option<String>,
}

impl Paging {
    /// Reads `limit` and `after`. A larger limit counts as the largest one.
    pub(super) fn of(parameters: &Parameters) -> Result<Paging, Problem> {
        parameters.check_names(&PARAMETERS)?;
        let limit = match parameters.number("limit")? {
            Some(0) => return Err(Problem::invalid("limit", "expected a number from 1 to 1000")),
            Some(limit) => usize::try_from(limit).unwrap_or(LARGEST_LIMIT),
            None => LIMIT,
        };
        let decode = |cursor: &str| {
            let bytes = BASE64_URL_SAFE_NO_PAD.decode(cursor).ok();
            let key = bytes.and_then(|it| String::from_utf8(it).ok());
            key.ok_or_else(not_a_cursor)
        };
        Ok(Paging {
            limit: limit.min(LARGEST_LIMIT),
            after: parameters.one("after")?.map(decode).transpose()?,
        })
    }

    /// Returns the page of a list. `key` gives each item a different text, and their order is that of the list.
    pub(super) fn page<S, T>(
        &self,
        mut items: Vec<S>,
        key: impl Fn(&S) -> String,
        view: impl Fn(S) -> T,
    ) -> Items<T> {
        items.sort_by_cached_key(&key);
        let start = match &self.after {
            Some(after) => items.partition_point(|it| key(it) <= *after),
            None => 0,
        };
        let end = items.len().min(start + self.limit);
        let next = (end < items.len() && end > start).then(|| key(&items[end - 1]));
        let page = items.into_iter().skip(start).take(end - start);
        Items {
            items: page.map(view).collect(),
            next: next.map(|it| BASE64_URL_SAFE_NO_PAD.encode(it)),
        }
    }
}

impl Paging {
    /// Returns the page of a list that the store reads in pages. `read` gets the key of the last item of the page before,
    /// and the most items; `key` returns the text of an item's key.
    pub(super) fn read_page<S, T, K: FromStr, E: Into<Problem>>(
        &self,
        read: impl FnOnce(Option<K>, u32) -> Result<Vec<S>, E>,
        key: impl Fn(&S) -> String,
        view: impl Fn(S) -> T,
    ) -> Result<Items<T>, Problem> {
        let after = self.after.as_deref().map(str::parse::<K>);
        let after = after.transpose().map_err(|_| not_a_cursor())?;
        // One more than wanted shows whether there is another page.
        let most = u32::try_from(self.limit + 1).unwrap_or(u32::MAX);
        let mut items = read(after, most).map_err(E::into)?;
        let has_more = items.len() > self.limit;
        items.truncate(self.limit);
        let next = items.last().filter(|_| has_more).map(key);
        Ok(Items {
            items: items.into_iter().map(view).collect(),
            next: next.map(|it| BASE64_URL_SAFE_NO_PAD.encode(it)),
        })
    }
}

fn not_a_cursor() -> Problem {
    Problem::invalid("after", "expected the value of `next` of another page")
}

/// Returns a key for the order of creation.
pub(super) fn by_creation(created: chrono::DateTime<chrono::Utc>, id: impl std::fmt::Display) -> String {
    format!("{:015} {id}", created.timestamp_millis())
}

#[cfg(test)]
mod tests {
    use actix_web::FromRequest as _;
    use actix_web::test::TestRequest;

    use super::*;

    fn paging(query: &str) -> Result<Paging, Problem> {
        let (request, mut payload) = TestRequest::with_uri(&format!("/?{query}")).to_http_parts();
        let parameters = Parameters::from_request(&request, &mut payload).into_inner();
        Paging::of(&parameters.expect("it is a query"))
    }

    #[test]
    fn pages_follow_each_other_without_gaps_and_repetitions() {
        let list = || vec!["c", "a", "e", "b", "d"];
        let (mut after, mut seen) = (String::new(), Vec::new());
        loop {
            let paging = paging(&format!("limit=2{after}")).expect("it is valid");
            let page = paging.page(list(), |it| (*it).to_owned(), |it| it);
            assert!(page.items.len() <= 2);
            seen.extend(page.items);
            let Some(next) = page.next else { break };
            after = format!("&after={next}");
        }
        assert_eq!(seen, ["a", "b", "c", "d", "e"]);
        let whole = paging("")
            .expect("it is valid")
            .page(list(), |it| (*it).to_owned(), |it| it);
        assert_eq!((whole.items.len(), whole.next), (5, None));
    }

    #[test]
    fn pages_that_the_store_reads_follow_each_other() {
        let latest_first = |before: Option<u32>, limit: u32| {
            let numbers = (1..=5)
                .rev()
                .filter(|it| before.is_none_or(|before| *it < before));
            Ok::<_, Problem>(numbers.take(limit as usize).collect::<Vec<u32>>())
        };
        let page = |query: &str| {
            let paging = paging(query).expect("it is valid");
            paging.read_page(latest_first, ToString::to_string, |it| it)
        };
        let (mut query, mut seen) = ("limit=2".to_owned(), Vec::new());
        loop {
            let page = page(&query).expect("it is a page");
            seen.push(page.items);
            let Some(next) = page.next else { break };
            query = format!("limit=2&after={next}");
        }
        assert_eq!(seen, [vec![5, 4], vec![3, 2], vec![1]]);
        let whole = page("limit=5").expect("it is a page");
        assert_eq!((whole.items.len(), whole.next), (5, None));
        assert!(page("after=eA").is_err(), "`x` is no number");
    }

    #[test]
    fn wrong_parameters_are_named() {
        for query in [
            "limit=0",
            "limit=x",
            "limit=-1",
            "after=!",
            "after=_w",
            "limit=1&limit=2",
            "x=1",
        ] {
            assert!(paging(query).is_err(), "{query}");
        }
        assert_eq!(paging("limit=99999").expect("it is capped").limit, LARGEST_LIMIT);
    }
}
