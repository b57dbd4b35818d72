//! Authorizations that count once.

use futures_util::future::join_all;

use crate::place::Place;

pub(crate) async fn a_code_counts_once(place: Place) {
    let (store, other) = (place.open().await, place.open().await);
    assert!(store.accept(&[1; 64], 100).await.unwrap());
    assert!(!store.accept(&[1; 64], 200).await.unwrap());
    assert!(!other.accept(&[1; 64], 200).await.unwrap());
    assert!(other.accept(&[2; 64], 100).await.unwrap());
}

pub(crate) async fn of_fifty_callers_with_one_code_one_gets_it(place: Place) {
    let stores = [place.open().await, place.open().await];
    for round in 0..4 {
        let ask = |number: usize| {
            let store = std::sync::Arc::clone(&stores[number % 2]);
            tokio::spawn(async move { store.accept(&[round; 64], 100).await.unwrap() })
        };
        let answers = join_all((0..50).map(ask)).await;
        assert_eq!(answers.into_iter().filter(|answer| *answer.as_ref().unwrap()).count(), 1);
    }
}

pub(crate) async fn a_code_is_forgotten_after_its_time(place: Place) {
    let store = place.open().await;
    assert!(store.accept(&[1; 64], 100).await.unwrap());
    assert!(store.accept(&[2; 64], 200).await.unwrap());
    assert_eq!(store.forget(100).await.unwrap(), 0);
    assert_eq!(store.forget(101).await.unwrap(), 1);
    assert!(store.accept(&[1; 64], 300).await.unwrap());
    assert!(!store.accept(&[2; 64], 300).await.unwrap());
}

pub(crate) async fn many_codes_at_once_are_all_accepted(place: Place) {
    let store = place.open().await;
    let code = |number: u64| -> [u8; 64] {
        let mut code = [0; 64];
        code[..8].copy_from_slice(&number.to_be_bytes());
        code
    };
    let codes: Vec<_> = (0..2000).map(code).collect();
    let answers = join_all(codes.iter().map(|code| store.accept(code, 100))).await;
    assert!(answers.into_iter().all(Result::unwrap));
    let again = join_all(codes.iter().map(|code| store.accept(code, 100))).await;
    assert!(!again.into_iter().any(Result::unwrap));
    assert_eq!(store.forget(u64::MAX).await.unwrap(), 2000);
}

pub(crate) async fn codes_that_come_to_two_in_another_order_are_all_answered(place: Place) {
    let stores = [place.open().await, place.open().await];
    for round in 0..10_u8 {
        let code = |number: u8| -> [u8; 64] { std::array::from_fn(|place| if place == 0 { number } else { round }) };
        let up = (0..=255).map(|number| (0, code(number)));
        let down = (0..=255).rev().map(|number| (1, code(number)));
        let asked: Vec<_> = up.chain(down).collect();
        let answers = join_all(asked.iter().map(|(store, code)| stores[*store].accept(code, 100))).await;
        assert_eq!(answers.into_iter().filter(|answer| *answer.as_ref().unwrap()).count(), 256);
    }
}
