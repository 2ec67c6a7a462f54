//! Lists: one page of what was found, with its figures.

use serde_json::{Value, json};

use crate::rest::message::{Request, Response};
use crate::rest::refusal;

/// Largest page, as documented.
const LARGEST: usize = 250;

/// Which part of a list is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Page {
    number: usize,
    size: usize,
}

impl Page {
    /// Reads the query; `Err` is the answer to a wrong one.
    pub(super) fn read(request: &Request, default: usize, cap: bool) -> Result<Self, Response> {
        let read = |name: &str, default| match request.parameter(name) {
            None => Ok(default),
            Some(text) => match text.parse::<usize>() {
                Ok(number) if number > 0 => Ok(number),
                _ => {
                    let detail = format!("{name} must be a number above 0");
                    Err(refusal::bad_parameter(name, &detail))
                }
            },
        };
        let number = read("page[number]", 1)?;
        let size = read("page[size]", default)?;
        if size > LARGEST && !cap {
            let detail = format!("page[size] must not be above {LARGEST}");
            return Err(refusal::bad_parameter("page[size]", &detail));
        }
        let size = size.min(LARGEST);
        Ok(Self { number, size })
    }

    /// The answer with this page of all that was found.
    pub(super) fn of(self, found: &[Value]) -> Response {
        let from = (self.number - 1).saturating_mul(self.size);
        let data: Vec<&Value> = found.iter().skip(from).take(self.size).collect();
        let pages = found.len().div_ceil(self.size);
        let mut response = Response::json(
            200,
            json!({ "data": data, "meta": {
                "page_number": self.number, "page_size": self.size,
                "total_pages": pages, "total_results": found.len(),
            }}),
        );
        response.headers.push(("total-pages", pages.to_string()));
        response
    }
}
