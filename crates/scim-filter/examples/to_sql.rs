//! `to_sql [FILTER]`: translates a filter to a WHERE clause over your own table. Values are bound parameters, so text of
//! the filter never becomes part of the statement.
#![allow(clippy::print_stdout)] // The result is printed.

use scim_filter::{AttrExp, AttrPath, CompValue, CompareOp, Filter, ValuePath};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let text = std::env::args().nth(1).unwrap_or_else(|| {
        r#"active eq true and (userName sw "b_" or emails[type eq "work"].value eq "x@example.com")"#
            .to_owned()
    });
    let mut sql = Sql::default();
    sql.filter(&Filter::parse(&text)?)?;
    println!("SELECT id FROM users WHERE {}", sql.text);
    for (index, parameter) in sql.parameters.iter().enumerate() {
        println!("?{} = {parameter}", index + 1);
    }
    Ok(())
}

/// Returns the column of an attribute. Only these attributes can be used in a filter.
fn column(path: &AttrPath) -> Result<&'static str, String> {
    const COLUMNS: [(&str, &str); 5] = [
        ("id", "id"),
        ("userName", "user_name"),
        ("name.familyName", "family_name"),
        ("title", "title"),
        ("active", "active"),
    ];
    let found = COLUMNS
        .into_iter()
        .find(|(name, _)| name.eq_ignore_ascii_case(path.as_str()));
    found
        .map(|(_, column)| column)
        .ok_or_else(|| format!("no attribute `{path}` to filter by"))
}

#[derive(Default)]
struct Sql {
    text: String,
    parameters: Vec<String>,
}

impl Sql {
    fn filter(&mut self, filter: &Filter) -> Result<(), String> {
        match filter {
            Filter::Attr(test) => self.test(column(test.path())?, test),
            Filter::ValuePath(value_path) => self.email(value_path),
            Filter::And(operands) => self.joined(operands, " AND "),
            Filter::Or(operands) => self.joined(operands, " OR "),
            Filter::Not(inner) => {
                // A column without a value makes a comparison neither true nor false.
                self.text.push('(');
                self.filter(inner)?;
                self.text.push_str(") IS NOT TRUE");
                Ok(())
            }
        }
    }

    fn joined(&mut self, operands: &[Filter], word: &str) -> Result<(), String> {
        for (index, operand) in operands.iter().enumerate() {
            self.text.push_str(if index == 0 { "(" } else { word });
            self.filter(operand)?;
        }
        self.text.push(')');
        Ok(())
    }

    /// Translates a condition on email addresses, which have a separate table with one row for each address.
    fn email(&mut self, value_path: &ValuePath) -> Result<(), String> {
        if !value_path.path.same(&AttrPath::new("emails", None)) {
            return Err(format!("no attribute `{}` to filter by", value_path.path));
        }
        self.text
            .push_str("EXISTS (SELECT 1 FROM emails WHERE emails.user_id = users.id AND ");
        self.email_filter(&value_path.filter)?;
        self.text.push(')');
        Ok(())
    }

    fn email_filter(&mut self, filter: &scim_filter::ValFilter) -> Result<(), String> {
        use scim_filter::ValFilter;
        let (operands, word) = match filter {
            ValFilter::Attr(test) => {
                let name = test.path().to_string().to_ascii_lowercase();
                let column = match name.as_str() {
                    "value" => "emails.address",
                    "type" => "emails.kind",
                    _ => return Err(format!("no sub-attribute `{name}` to filter by")),
                };
                return self.test(column, test);
            }
            ValFilter::And(operands) => (operands, " AND "),
            ValFilter::Or(operands) => (operands, " OR "),
            ValFilter::Not(inner) => {
                self.text.push('(');
                self.email_filter(inner)?;
                self.text.push_str(") IS NOT TRUE");
                return Ok(());
            }
        };
        for (index, operand) in operands.iter().enumerate() {
            self.text.push_str(if index == 0 { "(" } else { word });
            self.email_filter(operand)?;
        }
        self.text.push(')');
        Ok(())
    }

    fn test(&mut self, column: &str, test: &AttrExp) -> Result<(), String> {
        let (op, value) = match test {
            AttrExp::Present(_) => {
                self.text.push_str(&format!("{column} IS NOT NULL"));
                return Ok(());
            }
            AttrExp::Compare(_, op, value) => (*op, value),
        };
        let text = match value {
            CompValue::String(text) => text.clone(),
            CompValue::Number(number) => number.to_string(),
            CompValue::Bool(flag) => flag.to_string(),
            CompValue::Null => return Err("compare with `pr` instead of null".to_owned()),
        };
        let (sign, parameter) = match op {
            CompareOp::Eq => ("=", text),
            CompareOp::Ne => ("IS DISTINCT FROM", text),
            CompareOp::Gt => (">", text),
            CompareOp::Ge => (">=", text),
            CompareOp::Lt => ("<", text),
            CompareOp::Le => ("<=", text),
            CompareOp::Co => ("LIKE", format!("%{}%", literally(&text))),
            CompareOp::Sw => ("LIKE", format!("{}%", literally(&text))),
            CompareOp::Ew => ("LIKE", format!("%{}", literally(&text))),
        };
        self.parameters.push(parameter);
        let escape = if sign == "LIKE" { r" ESCAPE '\'" } else { "" };
        self.text
            .push_str(&format!("{column} {sign} ?{}{escape}", self.parameters.len()));
        Ok(())
    }
}

/// Escapes `%` and `_`, which have no special meaning in a filter.
fn literally(text: &str) -> String {
    text.replace('\\', r"\\").replace('%', r"\%").replace('_', r"\_")
}
