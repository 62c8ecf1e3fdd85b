//! How long workers could work.

use mz_protocol::{StopScope, Timestamp, WorkerId};

use crate::history::Span;
use crate::measure::Scoped;

impl Scoped<'_> {
    /// Percent of the observed time of all workers in scope. None while no worker was seen.
    pub fn availability(&self) -> Option<f64> {
        let workers = self.history.workers.keys().filter(|id| self.covers(Some(id), None));
        let (mut observed, mut lost) = (0, 0);
        for (seen, down) in workers.filter_map(|id| self.worker_time(id)) {
            observed += seen;
            lost += down;
        }
        (observed > 0).then(|| 100.0 * (observed - lost) as f64 / observed as f64)
    }

    /// Observed and lost milliseconds. A worker is observed from its first event on, and up to the last event
    /// that is known: of the rest of a running period nothing can be said.
    fn worker_time(&self, id: &WorkerId) -> Option<(i64, i64)> {
        let fact = self.history.workers.get(id)?;
        let from = fact.first_seen?.max(self.history.period.from);
        let to = self.as_of();
        if from >= to {
            return None;
        }
        let mut spans: Vec<(i64, i64)> = Vec::new();
        let mut add = |start: Timestamp, end: Option<Timestamp>| {
            let (start, end) = (start.max(from), end.unwrap_or(to).min(to));
            if start < end {
                spans.push((start.0, end.0));
            }
        };
        let own = |span: &Span| (span.from, span.to);
        let stops = self.history.stops.iter().filter(|(scope, _)| self.stops_worker(scope, id)).map(|(_, span)| own(span));
        let waits = self.history.approvals.values().filter(|a| a.worker == *id).map(|a| (a.asked, a.answer.map(|(at, _)| at)));
        let others = fact.helps.iter().chain(&fact.failures).chain(&self.history.engine_downs).map(own);
        stops.chain(waits).chain(others).for_each(|(start, end)| add(start, end));
        Some((to.0 - from.0, union(spans)))
    }

    fn stops_worker(&self, stop: &StopScope, id: &WorkerId) -> bool {
        match stop {
            StopScope::Company => true,
            StopScope::Department(department) => self.history.department_of(id, self.names) == Some(department),
            StopScope::Worker(worker) => worker == id,
        }
    }
}

/// Length of what the spans cover together.
fn union(mut spans: Vec<(i64, i64)>) -> i64 {
    spans.sort_unstable();
    let (mut covered, mut reached) = (0, i64::MIN);
    for (from, to) in spans {
        covered += (to - from.max(reached)).max(0);
        reached = reached.max(to);
    }
    covered
}

#[cfg(test)]
mod tests {
    #[test]
    fn overlapping_spans_count_once() {
        assert_eq!(super::union(vec![(5, 9), (0, 3), (2, 6), (20, 21)]), 10);
        assert_eq!(super::union(Vec::new()), 0);
    }
}
