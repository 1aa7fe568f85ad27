//! Squall's figure beside the peers', and whether it is as low as it should be.

use super::Spread;

/// The figures of one operation.
pub(crate) struct Verdict {
    pub(crate) operation: String,
    /// Squall's figure.
    pub(crate) own: f64,
    /// The peer with the lowest figure.
    pub(crate) best: (String, f64),
    pub(crate) others: Vec<(String, f64)>,
    /// Squall's figure to the best peer's, as the median of rounds.
    pub(crate) ratio: f64,
    /// What the ratio may be.
    pub(crate) bar: f64,
}

impl Verdict {
    /// Compares figures that are the same in each run; the first is Squall's.
    pub(crate) fn of_one_run<'a>(
        operation: &str,
        figures: impl Iterator<Item = (&'a str, f64)>,
    ) -> Verdict {
        let figures: Vec<(String, f64)> = figures
            .map(|(name, figure)| (name.to_owned(), figure))
            .collect();
        let rounds: Vec<Vec<f64>> = figures.iter().map(|(_, figure)| vec![*figure]).collect();
        let names = figures.into_iter().map(|(name, _)| name);
        Verdict::of_rounds(operation, 1.0, names, &rounds)
    }

    /// Compares the first contender with the others, round by round.
    pub(crate) fn of_rounds(
        operation: &str,
        bar: f64,
        names: impl Iterator<Item = String>,
        rounds: &[Vec<f64>],
    ) -> Verdict {
        let median = |rounds: &Vec<f64>| Spread::of(rounds.clone()).median;
        let mut figures: Vec<(String, f64)> = names.zip(rounds.iter().map(median)).collect();
        let fastest = (1..figures.len())
            .min_by(|a, b| figures[*a].1.total_cmp(&figures[*b].1))
            .expect("there is a peer");
        let pairs = rounds[0].iter().zip(&rounds[fastest]);
        let ratio = Spread::of(pairs.map(|(own, peer)| own / peer).collect()).median;
        Verdict {
            operation: operation.to_owned(),
            ratio,
            bar,
            best: figures.remove(fastest),
            own: figures.remove(0).1,
            others: figures,
        }
    }

    pub(crate) fn head() {
        println!("| operation | squall | best peer | ratio | bar | | other peers |");
        println!("|---|---:|---:|---:|---:|---|---|");
    }

    /// By which factor the figure is too high; at most 1 if it is not.
    fn excess(&self) -> f64 {
        self.ratio / self.bar
    }

    fn print(&self) {
        let (operation, own, ratio, bar) = (&self.operation, self.own, self.ratio, self.bar);
        let (best, ns) = &self.best;
        let word = if self.excess() <= 1.0 {
            "met"
        } else {
            "**missed**"
        };
        let mut others = self.others.clone();
        others.sort_by(|a, b| a.1.total_cmp(&b.1));
        let others: Vec<String> = others
            .iter()
            .map(|(name, figure)| format!("{name} {}", short(*figure)))
            .collect();
        println!(
            "| {operation} | {} | {} ({best}) | {ratio:.2} | {bar:.1} | {word} | {} |",
            short(own),
            short(*ns),
            others.join(", ")
        );
    }
}

/// A figure without digits that mean nothing.
fn short(figure: f64) -> String {
    match figure {
        ..9.95 => format!("{figure:.1}"),
        _ => format!("{figure:.0}"),
    }
}

/// The verdicts so far.
#[derive(Default)]
pub(crate) struct Verdicts(Vec<Verdict>);

impl Verdicts {
    /// Prints the row of an operation, and keeps it for the summary.
    pub(crate) fn add(&mut self, verdict: Verdict) {
        verdict.print();
        self.0.push(verdict);
    }

    /// Says how many bars were met, and by which factors the others were missed.
    pub(crate) fn summary(&self) {
        let mut missed: Vec<&Verdict> = self.0.iter().filter(|row| row.excess() > 1.0).collect();
        missed.sort_by(|a, b| b.excess().total_cmp(&a.excess()));
        let met = self.0.len() - missed.len();
        println!("\n{met} of {} bars are met.", self.0.len());
        for row in missed {
            println!("* {} × the bar: {}", short(row.excess()), row.operation);
        }
    }
}
