//! Questions to accessible objects over D-Bus. Programs are not trusted to know the answer: none is a fine one.

use atspi::zbus;
use zbus::Connection;
use zbus::zvariant::{OwnedObjectPath, OwnedValue, Type};

const ACCESSIBLE: &str = "org.a11y.atspi.Accessible";
const COMPONENT: &str = "org.a11y.atspi.Component";
const TEXT: &str = "org.a11y.atspi.Text";
const VALUE: &str = "org.a11y.atspi.Value";
const TABLE: &str = "org.a11y.atspi.Table";
const SELECTION: &str = "org.a11y.atspi.Selection";
const REGISTRY: &str = "org.a11y.atspi.Registry";
const ROOT: &str = "/org/a11y/atspi/accessible/root";
/// `ATSPI_COORD_TYPE_SCREEN`.
const SCREEN: u32 = 0;
/// `ATSPI_RELATION_LABELLED_BY`.
const LABELLED_BY: u32 = 2;
/// Longest text that is asked for, in characters.
const LONGEST: i32 = 4096;

/// Options of a drop-down list that are looked at.
const MOST_OPTIONS: usize = 100;

/// AT-SPI's state names by their bit (`atspi-constants.h`).
const STATES: [&str; 44] = [
    "invalid",
    "active",
    "armed",
    "busy",
    "checked",
    "collapsed",
    "defunct",
    "editable",
    "enabled",
    "expandable",
    "expanded",
    "focusable",
    "focused",
    "has-tooltip",
    "horizontal",
    "iconified",
    "modal",
    "multi-line",
    "multiselectable",
    "opaque",
    "pressed",
    "resizable",
    "selectable",
    "selected",
    "sensitive",
    "showing",
    "single-line",
    "stale",
    "transient",
    "vertical",
    "visible",
    "manages-descendants",
    "indeterminate",
    "required",
    "truncated",
    "animated",
    "invalid-entry",
    "supports-autocompletion",
    "selectable-text",
    "is-default",
    "visited",
    "checkable",
    "has-popup",
    "read-only",
];

/// An accessible object: which program, and which of its objects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Object {
    pub bus: String,
    pub path: OwnedObjectPath,
}

impl Object {
    /// The same for the same object from one look to the next.
    pub fn key(&self) -> String {
        format!("{}{}", self.bus, self.path.as_str())
    }

    fn new((bus, path): (String, OwnedObjectPath)) -> Option<Self> {
        (!bus.is_empty() && !path.as_str().ends_with("/null")).then_some(Self { bus, path })
    }
}

pub struct Bus {
    connection: Connection,
}

impl Bus {
    pub async fn connect() -> zbus::Result<Self> {
        let session = Connection::session().await?;
        let address: String = session
            .call_method(Some("org.a11y.Bus"), "/org/a11y/bus", Some("org.a11y.Bus"), "GetAddress", &())
            .await?
            .body()
            .deserialize()?;
        let connection = zbus::connection::Builder::address(address.as_str())?.build().await?;
        Ok(Self { connection })
    }

    /// The root objects of all programs.
    pub async fn programs(&self) -> zbus::Result<Vec<Object>> {
        let answer = self.connection.call_method(Some(REGISTRY), ROOT, Some(ACCESSIBLE), "GetChildren", &()).await?;
        let found: Vec<(String, OwnedObjectPath)> = answer.body().deserialize()?;
        Ok(found.into_iter().filter_map(Object::new).collect())
    }

    /// The first of so many children as the object counts.
    pub async fn children(&self, object: &Object, count: i32, most: usize) -> Vec<Object> {
        // A list that is far too long is asked for one by one, since its whole would not fit a message.
        if count as usize > most * 4 {
            let asked = (0..most as i32).map(|index| self.ask(object, ACCESSIBLE, "GetChildAtIndex", index));
            let found: Vec<Option<(String, OwnedObjectPath)>> = futures_util::future::join_all(asked).await;
            return found.into_iter().flatten().filter_map(Object::new).collect();
        }
        let found: Option<Vec<(String, OwnedObjectPath)>> = self.ask(object, ACCESSIBLE, "GetChildren", ()).await;
        found.unwrap_or_default().into_iter().take(most).filter_map(Object::new).collect()
    }

    pub async fn all_children(&self, object: &Object, most: usize) -> Vec<Object> {
        let count = self.child_count(object).await;
        self.children(object, count, most).await
    }

    /// -1 where the program does not know, or there are too many to count.
    pub async fn child_count(&self, object: &Object) -> i32 {
        match self.property(object, ACCESSIBLE, "ChildCount").await {
            Some(value) => i32::try_from(value).unwrap_or(-1),
            None => 0,
        }
    }

    pub async fn states(&self, object: &Object) -> Option<Vec<String>> {
        let words: Vec<u32> = self.ask(object, ACCESSIBLE, "GetState", ()).await?;
        let is_set = |bit: usize| words.get(bit / 32).is_some_and(|word| word >> (bit % 32) & 1 == 1);
        Some(STATES.iter().enumerate().filter(|(bit, _)| is_set(*bit)).map(|(_, name)| (*name).to_owned()).collect())
    }

    /// The role's name in the words of AT-SPI, whatever the program's language.
    pub async fn role(&self, object: &Object) -> Option<String> {
        let number: u32 = self.ask(object, ACCESSIBLE, "GetRole", ()).await?;
        Some(atspi::Role::try_from(number).map_or_else(|_| "unknown".to_owned(), |role| role.name().to_owned()))
    }

    pub async fn name(&self, object: &Object) -> String {
        self.property(object, ACCESSIBLE, "Name").await.and_then(|value| String::try_from(value).ok()).unwrap_or_default()
    }

    /// On the screen: x, y, width, height.
    pub async fn extents(&self, object: &Object) -> Option<(i32, i32, i32, i32)> {
        let ((x, y, w, h),): ((i32, i32, i32, i32),) =
            self.ask(object, COMPONENT, "GetExtents", SCREEN).await.map(|all| (all,))?;
        Some((x, y, w, h))
    }

    /// The first 4096 characters, or the last ones.
    pub async fn text(&self, object: &Object, from_the_end: bool) -> Option<String> {
        let count = i32::try_from(self.property(object, TEXT, "CharacterCount").await?).ok()?;
        if count <= 0 {
            return None;
        }
        let start = if from_the_end { (count - LONGEST).max(0) } else { 0 };
        let text: String = self.ask(object, TEXT, "GetText", (start, count.min(start + LONGEST))).await?;
        Some(text)
    }

    /// All of a text that is known to be short.
    pub async fn short_text(&self, object: &Object) -> Option<String> {
        let text: String = self.ask(object, TEXT, "GetText", (0, -1)).await?;
        Some(text.chars().take(LONGEST as usize).collect()).filter(|text: &String| !text.is_empty())
    }

    /// Where some characters stand on the screen.
    pub async fn range(&self, object: &Object, from: i32, to: i32) -> Option<(i32, i32, i32, i32)> {
        self.ask(object, TEXT, "GetRangeExtents", (from, to, SCREEN)).await
    }

    pub async fn number(&self, object: &Object) -> Option<String> {
        f64::try_from(self.property(object, VALUE, "CurrentValue").await?).ok().map(|number| number.to_string())
    }

    /// The name of the object that the program says labels this one.
    pub async fn label(&self, object: &Object) -> Option<String> {
        let relations: Vec<(u32, Vec<(String, OwnedObjectPath)>)> = self.ask(object, ACCESSIBLE, "GetRelationSet", ()).await?;
        let (_, targets) = relations.into_iter().find(|(kind, _)| *kind == LABELLED_BY)?;
        let label = Object::new(targets.into_iter().next()?)?;
        Some(self.name(&label).await).filter(|name| !name.is_empty())
    }

    /// The name of what is chosen in a drop-down list.
    pub async fn chosen(&self, object: &Object) -> Option<String> {
        let told: Option<(String, OwnedObjectPath)> = self.ask(object, SELECTION, "GetSelectedChild", 0i32).await;
        let chosen = match told.and_then(Object::new) {
            Some(chosen) => chosen,
            // Chromium does not say which; the option itself does.
            None => {
                let list = self.all_children(object, 1).await.into_iter().next()?;
                let options = self.all_children(&list, MOST_OPTIONS).await;
                let states = futures_util::future::join_all(options.iter().map(|option| self.states(option))).await;
                let is_chosen = |states: &Option<Vec<String>>| states.iter().flatten().any(|state| state == "selected");
                options.into_iter().zip(states).find(|(_, states)| is_chosen(states)).map(|(option, _)| option)?
            }
        };
        Some(self.name(&chosen).await).filter(|name| !name.is_empty())
    }

    pub async fn at_point(&self, object: &Object, x: i32, y: i32) -> Option<Object> {
        Object::new(self.ask(object, COMPONENT, "GetAccessibleAtPoint", (x, y, SCREEN)).await?)
    }

    pub async fn cell(&self, object: &Object, row: i32, column: i32) -> Option<Object> {
        Object::new(self.ask(object, TABLE, "GetAccessibleAt", (row, column)).await?)
    }

    async fn ask<A, R>(&self, object: &Object, interface: &str, method: &str, arguments: A) -> Option<R>
    where
        A: serde::Serialize + Type + zbus::export::serde::Serialize,
        R: serde::de::DeserializeOwned + Type,
    {
        let answer = self
            .connection
            .call_method(Some(object.bus.as_str()), &object.path, Some(interface), method, &arguments)
            .await
            .ok()?;
        answer.body().deserialize().ok()
    }

    async fn property(&self, object: &Object, interface: &str, name: &str) -> Option<OwnedValue> {
        let answer = self
            .connection
            .call_method(
                Some(object.bus.as_str()),
                &object.path,
                Some("org.freedesktop.DBus.Properties"),
                "Get",
                &(interface, name),
            )
            .await
            .ok()?;
        answer.body().deserialize().ok()
    }
}
