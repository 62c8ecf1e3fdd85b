//! The company's days. Its orders come up again each day under a number of their own, and the workers' homes and the
//! services begin as on the first day; ledger, recordings and reports go on.

use std::fs;
use std::io::ErrorKind;

use anyhow::Context;
use mz_company::day_of;
use mz_protocol::{EventBody, OrderState, OrderView, Snapshot, WorkOrder};

use super::House;
use crate::clock;
use crate::paths::Paths;

/// How an engine takes up what the last one left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Begin {
    GoOn,
    /// With a new day where every order of the last one is closed.
    NewDay,
}

/// The newest day of these orders; the first where there is none yet.
pub fn today(orders: &[OrderView]) -> u32 {
    orders.iter().map(|view| day_of(&view.order.id)).max().unwrap_or(1)
}

/// What is left of the day before, until the next one begins.
const ASIDE: &str = "day-before";

impl House {
    /// The orders that come up now, and remarks on those whose file has changed since they did.
    pub(super) fn orders_of_today(&self, before: &Snapshot, begin: Begin) -> anyhow::Result<Vec<EventBody>> {
        let mut day = today(&before.orders);
        if begin == Begin::NewDay && !before.orders.is_empty() {
            match before.orders.iter().filter(|view| !view.state.is_final()).count() {
                0 => {
                    put_aside(&self.paths)?;
                    day += 1;
                }
                open => println!("{open} orders of the last day are still open: they go on, and no new day begins."),
            }
        }
        let mut bodies = Vec::new();
        for order in self.company.work_orders(day, clock::now())? {
            match before.orders.iter().find(|view| view.order.id == order.id) {
                Some(known) => bodies.extend(remark(known, &order)),
                None => {
                    let moved = EventBody::OrderMoved {
                        order: order.id.clone(),
                        worker: None,
                        from: OrderState::Backlog,
                        to: OrderState::Todo,
                        reason: None,
                    };
                    bodies.extend([EventBody::OrderAdded { order: Box::new(order) }, moved]);
                }
            }
        }
        Ok(bodies)
    }
}

/// An order stays what it was when it was taken up; that its file says otherwise now is not kept from anyone.
fn remark(known: &OrderView, order: &WorkOrder) -> Option<EventBody> {
    let taken_up = WorkOrder { created: order.created, due: order.due, ..known.order.clone() };
    if taken_up == *order {
        return None;
    }
    let remark = format!(
        "The company's folder says something else of {} now than when it was taken up. It stays as it was; a new day takes \
         up what the folder says.",
        order.id
    );
    tracing::warn!("{remark}");
    let worker = known.order.owner.clone().filter(|_| !known.remarks.contains(&remark))?;
    Some(EventBody::Flagged { worker, order: order.id.clone(), remark })
}

/// First, so that orders never come up anew beside yesterday's results.
fn put_aside(paths: &Paths) -> anyhow::Result<()> {
    let aside = paths.state.join(ASIDE);
    match fs::remove_dir_all(&aside) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            return Err(error).with_context(|| format!("cannot clear {}: remove it, then try again", aside.display()));
        }
        _ => {}
    }
    fs::create_dir(&aside).with_context(|| format!("cannot make the folder {}", aside.display()))?;
    for folder in [paths.homes(), paths.services()] {
        let Some(name) = folder.file_name() else { continue };
        match fs::rename(&folder, aside.join(name)) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                return Err(error).with_context(|| format!("cannot put {} aside", folder.display()));
            }
            _ => {}
        }
    }
    Ok(())
}
