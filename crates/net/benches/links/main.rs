//! Session frames between two processes, on loopback and over an emulated wide-area network.
//!
//! `cargo bench -p tercet-net` measures both; `-- loopback [MTU]` and `-- wide-area [MS MBIT]` one of them. For any other
//! network, run `-- answer DIRECTORY ADDRESS` on one host and then `-- dial DIRECTORY ADDRESS` on another that shares the
//! directory; the address is the first host's.

mod loopback;
mod measure;
mod pair;
mod wide_area;

use std::env;
use std::time::Duration;

fn main() {
    let arguments: Vec<String> = env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments.as_slice() {
        [] => {
            loopback::measure(&["1452", "6500"]);
            wide_area::measure(&wide_area::NETWORKS);
        }
        ["loopback"] => loopback::measure(&["1452", "6500"]),
        ["loopback", mtu] => loopback::measure(&[mtu]),
        ["wide-area"] => wide_area::measure(&wide_area::NETWORKS),
        ["wide-area", milliseconds, megabits] => {
            let number = |text: &str| text.parse().expect("a number");
            wide_area::measure(&[(number(milliseconds), number(megabits))]);
        }
        ["answer", directory, address] => pair::answer(directory, address, pair::WIDE_MTU),
        ["answer", directory, address, mtu] => pair::answer(directory, address, mtu),
        ["dial", directory, address] => {
            let mut link = pair::dial(directory, address, pair::WIDE_MTU);
            wide_area::suite(&mut link, &|_| Duration::ZERO);
        }
        _ => {
            panic!("usage: [loopback [MTU] | wide-area [MS MBIT] | answer DIRECTORY ADDRESS | dial DIRECTORY ADDRESS]")
        }
    }
}
