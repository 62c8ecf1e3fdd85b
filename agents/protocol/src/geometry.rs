//! Places on a screen, in pixels from its top left corner.

use serde::{Deserialize, Serialize};

/// Width and height of a screen or picture, in pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Size {
    pub width: u16,
    pub height: u16,
}

impl Size {
    /// What a desktop has unless its role says otherwise.
    pub const DESKTOP: Self = Self { width: 1280, height: 800 };

    pub fn pixels(self) -> usize {
        usize::from(self.width) * usize::from(self.height)
    }

    pub fn rect(self) -> Rect {
        Rect { x: 0, y: 0, width: self.width, height: self.height }
    }

    pub fn contains(self, point: Point) -> bool {
        point.x < self.width && point.y < self.height
    }
}

/// A pixel that is on the screen: negative places do not exist in this type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Point {
    pub x: u16,
    pub y: u16,
}

impl Point {
    pub fn new(x: u16, y: u16) -> Self {
        Self { x, y }
    }

    /// Euclidean distance in pixels.
    pub fn distance(self, other: Self) -> f32 {
        let dx = f32::from(self.x) - f32::from(other.x);
        let dy = f32::from(self.y) - f32::from(other.y);
        dx.hypot(dy)
    }
}

/// A box on the screen; right and bottom edges are outside of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, Default)]
pub struct Rect {
    pub x: u16,
    pub y: u16,
    pub width: u16,
    pub height: u16,
}

impl Rect {
    pub fn new(x: u16, y: u16, width: u16, height: u16) -> Self {
        Self { x, y, width, height }
    }

    /// The part on screen of a box in desktop coordinates, if there is any.
    pub fn clipped(x: i32, y: i32, width: i32, height: i32, screen: Size) -> Option<Self> {
        let left = x.max(0);
        let top = y.max(0);
        let right = x.saturating_add(width.max(0)).min(i32::from(screen.width));
        let bottom = y.saturating_add(height.max(0)).min(i32::from(screen.height));
        (left < right && top < bottom).then(|| Self {
            x: left as u16,
            y: top as u16,
            width: (right - left) as u16,
            height: (bottom - top) as u16,
        })
    }

    pub fn right(self) -> u16 {
        self.x.saturating_add(self.width)
    }

    pub fn bottom(self) -> u16 {
        self.y.saturating_add(self.height)
    }

    pub fn center(self) -> Point {
        Point { x: self.x + self.width / 2, y: self.y + self.height / 2 }
    }

    pub fn is_empty(self) -> bool {
        self.width == 0 || self.height == 0
    }

    pub fn area(self) -> u32 {
        u32::from(self.width) * u32::from(self.height)
    }

    pub fn contains(self, point: Point) -> bool {
        (self.x..self.right()).contains(&point.x) && (self.y..self.bottom()).contains(&point.y)
    }

    pub fn intersection(self, other: Self) -> Option<Self> {
        let x = self.x.max(other.x);
        let y = self.y.max(other.y);
        let right = self.right().min(other.right());
        let bottom = self.bottom().min(other.bottom());
        (x < right && y < bottom).then(|| Self { x, y, width: right - x, height: bottom - y })
    }

    /// Grown by `margin` pixels on each side, kept on the screen.
    pub fn grown(self, margin: u16, screen: Size) -> Self {
        let x = self.x.saturating_sub(margin);
        let y = self.y.saturating_sub(margin);
        Self {
            x,
            y,
            width: self.right().saturating_add(margin).min(screen.width).saturating_sub(x),
            height: self.bottom().saturating_add(margin).min(screen.height).saturating_sub(y),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hidden_elements_have_no_place() {
        assert_eq!(Rect::clipped(i32::MIN, i32::MIN, 10, 10, Size::DESKTOP), None);
        assert_eq!(Rect::clipped(-5, -5, 10, 20, Size::DESKTOP), Some(Rect::new(0, 0, 5, 15)));
        assert_eq!(Rect::clipped(1280, 0, 10, 10, Size::DESKTOP), None);
    }
}
