//! A check that is a query of Prometheus: its HTTP API's instant query, `POST /api/v1/query`.

use std::time::Duration;

use serde::Deserialize;
use shunt_config::record::Query;
use shunt_config::secret::Secret;
use shunt_config::strict::short;
use tokio::time::timeout;

use super::{Answer, Watched};
use crate::request::{Fault, post};
use crate::time::show;

/// Bytes of an answer: one number has room in far less.
const MOST: usize = 256 * 1024;

/// What the API answers, so far as it matters here.
#[derive(Debug, Deserialize)]
struct Reply {
    #[serde(default)]
    error: Option<String>,
    #[serde(default)]
    data: Option<Data>,
}

#[derive(Debug, Deserialize)]
#[serde(tag = "resultType", content = "result", rename_all = "lowercase")]
enum Data {
    Scalar(Value),
    Vector(Vec<Series>),
    String(serde::de::IgnoredAny),
    Matrix(serde::de::IgnoredAny),
}

#[derive(Debug, Deserialize)]
struct Series {
    value: Value,
}

/// When, and the number as text: JSON has none for `NaN` and `+Inf`.
#[derive(Debug, Deserialize)]
struct Value(#[expect(dead_code, reason = "it is now")] f64, String);

/// Asks for one number, and compares it with its bounds.
pub(super) async fn ask(
    query: &Query,
    watched: &Watched,
    token: Option<&Secret>,
    limit: Duration,
) -> Answer {
    let url = Secret::new(format!("{}/api/v1/query", query.prometheus));
    let text = watched.fill(&query.query);
    let body = form_urlencoded::Serializer::new(String::new()).append_pair("query", &text).finish();
    let kind = "application/x-www-form-urlencoded";
    let answer = match timeout(limit, post(&url, token, kind, body, MOST)).await {
        Ok(Ok(answer)) => answer,
        Ok(Err(Fault::Later(why) | Fault::Never(why))) => {
            return Answer::None(format!("{}: {why}", query.prometheus));
        }
        Err(_) => {
            let server = &query.prometheus;
            return Answer::None(format!("{server} did not answer within {}", show(limit)));
        }
    };
    match number(&answer.body) {
        Ok(number) => judged(query, number),
        Err(_) if !answer.status.is_success() && !answer.body.starts_with(b"{") => {
            Answer::None(format!("{}: {}", query.prometheus, answer.status))
        }
        Err(why) => Answer::None(format!("{}: {why}", query.prometheus)),
    }
}

fn judged(query: &Query, number: f64) -> Answer {
    match (query.min, query.max) {
        (_, Some(max)) if number > max => Answer::Bad(format!("{number} is more than {max}")),
        (Some(min), _) if number < min => Answer::Bad(format!("{number} is less than {min}")),
        _ => Answer::Good(number.to_string()),
    }
}

/// The one number that was answered; why there is none, if so.
fn number(body: &[u8]) -> Result<f64, String> {
    let reply: Reply = serde_json::from_slice(body)
        .map_err(|_| "what it answered is not Prometheus's JSON".to_owned())?;
    let text = match (reply.data, reply.error) {
        (_, Some(error)) => return Err(short(&error)),
        (Some(Data::Scalar(Value(_, number))), _) => number,
        (Some(Data::Vector(all)), _) => match <[Series; 1]>::try_from(all) {
            Ok([Series { value: Value(_, number) }]) => number,
            Err(all) if all.is_empty() => return Err("nothing matches the query".to_owned()),
            Err(all) => {
                let n = all.len();
                return Err(format!("{n} series match the query: put `sum(…)` around it"));
            }
        },
        _ => return Err("the query gives neither a number nor a vector".to_owned()),
    };
    match text.parse::<f64>() {
        Ok(number) if !number.is_nan() => Ok(number),
        Ok(_) => Err("the query gives NaN".to_owned()),
        Err(_) => Err(format!("`{}` is no number", short(&text))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(kind: &str, result: &str) -> Result<f64, String> {
        let data = format!(r#"{{"resultType":"{kind}","result":{result}}}"#);
        number(format!(r#"{{"status":"success","data":{data}}}"#).as_bytes())
    }

    #[test]
    fn a_number_and_a_vector_of_one_are_an_answer() {
        assert_eq!(read("scalar", r#"[1.5,"0.25"]"#), Ok(0.25));
        assert_eq!(read("vector", r#"[{"metric":{"a":"b"},"value":[1,"3e-2"]}]"#), Ok(0.03));
        assert_eq!(read("vector", r#"[{"metric":{},"value":[1,"+Inf"]}]"#), Ok(f64::INFINITY));
    }

    #[test]
    fn what_is_no_single_number_is_no_answer_and_says_why() {
        let two = r#"[{"metric":{},"value":[1,"1"]},{"metric":{},"value":[1,"2"]}]"#;
        for (kind, result, word) in [
            ("vector", "[]", "nothing matches"),
            ("vector", two, "2 series"),
            ("vector", r#"[{"metric":{},"value":[1,"NaN"]}]"#, "NaN"),
            ("matrix", "[]", "neither a number nor a vector"),
            ("string", r#"[1,"a"]"#, "neither a number nor a vector"),
            ("scalar", r#"[1,"many"]"#, "no number"),
            ("histogram", "[]", "not Prometheus's"),
        ] {
            let said = read(kind, result).unwrap_err();
            assert!(said.contains(word), "{kind} {result}: {said}");
        }
        let refused =
            br#"{"status":"error","errorType":"bad_data","error":"parse error at char 3"}"#;
        assert_eq!(number(refused).unwrap_err(), "parse error at char 3");
        assert!(number(b"<html>").is_err());
    }
}
