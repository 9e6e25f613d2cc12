//! A strict reader of Prometheus's text format 0.0.4, which shares nothing with who writes it: what it does not expect, it
//! refuses.

use std::collections::{BTreeMap, BTreeSet};

/// A page of figures: each sample by its name with its labels, as `name{label="value"}`.
#[derive(Debug)]
pub struct Figures(BTreeMap<String, f64>);

impl Figures {
    /// The value of a sample.
    #[track_caller]
    pub fn of(&self, sample: &str) -> f64 {
        *self.0.get(sample).unwrap_or_else(|| panic!("no {sample} among {:#?}", self.0.keys()))
    }

    /// All samples that begin so, together.
    pub fn sum(&self, begins: &str) -> f64 {
        self.0.iter().filter(|(name, _)| name.starts_with(begins)).map(|(_, value)| value).sum()
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.0.len()
    }

    /// Reads a page.
    ///
    /// # Errors
    /// The first line that is not as it must be, and why.
    pub fn read(text: &str) -> Result<Figures, String> {
        if !text.ends_with('\n') || text.contains('\r') {
            return Err("lines end with a line feed each, and with nothing else".into());
        }
        let (mut samples, mut known) = (BTreeMap::new(), BTreeSet::new());
        let mut lines = text.lines().peekable();
        while let Some(line) = lines.next() {
            let wrong = |why: &str| format!("{why}: {line:?}");
            let help = line.strip_prefix("# HELP ").ok_or_else(|| wrong("a family begins with its help"))?;
            let (name, help) = help.split_once(' ').ok_or_else(|| wrong("a name and a help"))?;
            if !is_name(name) || help.is_empty() || !known.insert(name.to_owned()) {
                return Err(wrong("one name, its help, and once"));
            }
            let kind = lines.next().and_then(|line| line.strip_prefix("# TYPE ")).ok_or_else(|| wrong("no type"))?;
            let kind =
                kind.strip_prefix(name).and_then(|kind| kind.strip_prefix(' ')).ok_or_else(|| wrong("its type"))?;
            let mut own = Vec::new();
            while let Some(line) = lines.next_if(|line| !line.starts_with('#')) {
                own.push(sample(line).map_err(|why| format!("{why}: {line:?}"))?);
            }
            match kind {
                "gauge" => own.iter().try_for_each(|(of, _, _)| (of == name).then_some(())).ok_or("another's"),
                "counter" => {
                    let good = |(of, _, value): &Sample| of == name && of.ends_with("_total") && *value >= 0.0;
                    own.iter().all(good).then_some(()).ok_or("a counter ends in _total and is no debt")
                }
                "histogram" => histogram(name, &own),
                _ => Err("an unknown type"),
            }
            .map_err(|why| format!("{name}: {why}"))?;
            for (name, labels, value) in own {
                let labels: Vec<_> = labels.iter().map(|(label, value)| format!("{label}=\"{value}\"")).collect();
                let all = if labels.is_empty() { name } else { format!("{name}{{{}}}", labels.join(",")) };
                if samples.insert(all.clone(), value).is_some() {
                    return Err(format!("twice: {all}"));
                }
            }
        }
        Ok(Figures(samples))
    }
}

type Sample = (String, Vec<(String, String)>, f64);

fn sample(line: &str) -> Result<Sample, String> {
    let end = line.find(['{', ' ']).ok_or("a name and a value")?;
    let (name, mut rest) = line.split_at(end);
    let mut labels = Vec::new();
    if let Some(inside) = rest.strip_prefix('{') {
        rest = inside;
        loop {
            let (label, after) = rest.split_once("=\"").ok_or("a label and its value")?;
            let mut value = String::new();
            let mut letters = after.char_indices();
            let end = loop {
                match letters.next().ok_or("no end of the value")? {
                    (place, '"') => break place + 1,
                    (_, '\\') => match letters.next().ok_or("half an escape")?.1 {
                        letter @ ('\\' | '"') => value.push(letter),
                        'n' => value.push('\n'),
                        _ => return Err("an unknown escape".into()),
                    },
                    (_, letter) => value.push(letter),
                }
            };
            if !is_name(label) || label.contains(':') || labels.iter().any(|(known, _)| known == label) {
                return Err(format!("the label {label:?}"));
            }
            labels.push((label.to_owned(), value));
            rest = &after[end..];
            match rest.strip_prefix(',') {
                Some(next) => rest = next,
                None => break rest = rest.strip_prefix('}').ok_or("no end of the labels")?,
            }
        }
    }
    let value = rest.strip_prefix(' ').ok_or("one space before the value")?;
    let number = value.parse().map_err(|_| "no number")?;
    if !is_name(name) || value.contains(' ') || f64::is_nan(number) {
        return Err("a name and a number".into());
    }
    Ok((name.to_owned(), labels, number))
}

fn histogram(name: &str, samples: &[Sample]) -> Result<(), &'static str> {
    let of = |ending: &str| -> Vec<&Sample> {
        samples.iter().filter(|(of, _, _)| of.strip_prefix(name) == Some(ending)).collect()
    };
    let (buckets, sum, count) = (of("_bucket"), of("_sum"), of("_count"));
    if sum.len() != 1 || count.len() != 1 || buckets.len() + 2 != samples.len() {
        return Err("buckets, one sum, one count");
    }
    let (mut bound, mut seen) = (f64::NEG_INFINITY, 0.0);
    for (_, labels, value) in &buckets {
        let [(label, le)] = &labels[..] else { return Err("le and nothing else") };
        let le = if le == "+Inf" { f64::INFINITY } else { le.parse().map_err(|_| "a bound")? };
        if label != "le" || le <= bound || *value < seen {
            return Err("bounds ascend, and so do their counts");
        }
        (bound, seen) = (le, *value);
    }
    (bound == f64::INFINITY && seen == count[0].2).then_some(()).ok_or("the last bucket has all")
}

fn is_name(text: &str) -> bool {
    let letter = |letter: char| letter.is_ascii_alphabetic() || matches!(letter, '_' | ':');
    text.starts_with(letter) && text.chars().all(|other| letter(other) || other.is_ascii_digit())
}

#[test]
fn what_is_not_as_it_must_be_is_refused() {
    let good = "# HELP a_total A.\n# TYPE a_total counter\na_total{x=\"1\\\"\"} 2\n";
    assert_eq!(Figures::read(good).unwrap().of("a_total{x=\"1\"\"}"), 2.0);
    for (from, to) in [
        ("# HELP a_total A.\n", ""),
        ("counter", "counters"),
        ("} 2", "} -2"),
        ("} 2\n", "} 2\na_total{x=\"1\\\"\"} 3\n"),
        ("x=", "0x="),
        ("} 2", "}  2"),
        ("2\n", "2"),
        ("a_total{", "b_total{"),
    ] {
        assert!(Figures::read(&good.replace(from, to)).is_err(), "{from} → {to}");
    }
}
