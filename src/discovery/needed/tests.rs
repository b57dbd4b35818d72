//! The watch, in a simulated network, with simulated time.

use std::time::{Duration, SystemTime};

use super::Timing;
use super::simulation::{Id, Role, World, found, one_serves};
use crate::discovery::Claim;

const T: Timing = Timing {
    look: Duration::from_secs(5),
    again: Duration::from_secs(5),
    confirm: Duration::from_secs(3),
    spread: Duration::from_secs(2),
    retry: Duration::from_secs(5),
    check: Duration::from_secs(60),
};

#[tokio::test(start_paused = true)]
async fn the_first_serves_and_who_comes_later_follows() {
    let world = World::new();
    world.start(1, 0, T, true);
    world.settles(|roles| roles == [Role::Serving]).await;
    world.start(2, 0, T, true);
    world.settles(|roles| roles == [Role::Serving, Role::Following(1)]).await;
    assert_eq!(world.started(), 1);
}

#[tokio::test(start_paused = true)]
async fn many_that_start_at_once_end_with_one_server_that_all_follow() {
    for _ in 0..20 {
        let world = World::new();
        for id in 1..=6 {
            world.start(id, 0, T, true);
        }
        world.settles(one_serves).await;
        assert_eq!(world.announced().len(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn a_server_that_vanishes_without_a_goodbye_is_replaced_by_one_of_the_others() {
    let world = World::new();
    let first = world.start(1, 0, T, true);
    world.settles(|roles| roles == [Role::Serving]).await;
    for id in 2..=5 {
        world.start(id, 0, T, true);
    }
    world.settles(one_serves).await;
    world.crash(1, &first);
    world.settles(one_serves).await;
    assert_eq!(world.announced().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn when_two_networks_become_one_the_younger_server_hands_over_and_its_followers_move() {
    let world = World::new();
    let segments: [(Id, u16); 6] = [(1, 1), (2, 1), (3, 1), (4, 2), (5, 2), (6, 2)];
    for (id, segment) in segments {
        world.start(id, segment, T, true);
        world.settles(|roles| !roles.contains(&Role::Looking)).await;
    }
    assert_eq!(world.roles().iter().filter(|role| **role == Role::Serving).count(), 2);
    let oldest = world.announced().into_iter().min_by_key(|found| found.claim.created()).unwrap().port;
    for (id, _) in segments {
        world.move_to(id, 1);
    }
    world.settles(one_serves).await;
    assert_eq!(world.announced().iter().map(|found| found.port).collect::<Vec<_>>(), [oldest]);
}

#[tokio::test(start_paused = true)]
async fn a_hive_that_may_not_serve_waits_for_a_server_and_for_the_next_one() {
    let world = World::new();
    world.start(1, 0, T, false);
    world.settles(|roles| roles == [Role::Looking]).await;
    let second = world.start(2, 0, T, true);
    world.settles(|roles| roles == [Role::Following(2), Role::Serving]).await;
    world.crash(2, &second);
    world.start(3, 0, T, true);
    world.settles(|roles| roles == [Role::Following(3), Role::Serving]).await;
}

#[tokio::test(start_paused = true)]
async fn a_goodbye_that_is_not_true_changes_nothing() {
    let world = World::new();
    world.start(1, 0, T, true);
    world.settles(|roles| roles == [Role::Serving]).await;
    world.start(2, 0, T, true);
    world.settles(one_serves).await;
    world.false_alarm(0);
    world.settles(|roles| roles == [Role::Serving, Role::Following(1)]).await;
    assert_eq!(world.started(), 1);
}

#[tokio::test(start_paused = true)]
async fn an_announcement_that_is_lost_starts_no_second_server_while_the_first_answers() {
    let world = World::new();
    world.start(1, 0, T, true);
    world.settles(|roles| roles == [Role::Serving]).await;
    world.start(2, 0, T, true);
    world.settles(one_serves).await;
    world.silence(1);
    world.settles(|roles| roles == [Role::Serving, Role::Following(1)]).await;
    assert_eq!(world.started(), 1);
}

#[tokio::test(start_paused = true)]
async fn an_old_memory_of_an_older_server_makes_nobody_hand_over() {
    let world = World::new();
    world.start(1, 0, T, true);
    world.settles(|roles| roles == [Role::Serving]).await;
    world.start(2, 0, T, true);
    world.settles(one_serves).await;
    let dead = found(9, Claim::new(SystemTime::UNIX_EPOCH, "long dead".to_owned()));
    world.remember(1, dead.clone());
    world.remember(2, dead);
    world.settles(|roles| roles == [Role::Serving, Role::Following(1)]).await;
}

#[tokio::test(start_paused = true)]
async fn where_a_server_cannot_be_started_another_hive_does_it() {
    let world = World::new();
    world.break_server(1);
    world.start(1, 0, T, true);
    world.settles(|roles| roles == [Role::Looking]).await;
    world.start(2, 0, T, true);
    world.settles(|roles| roles == [Role::Following(2), Role::Serving]).await;
}

/// Of three hives started at once, two served for good when the busy machine answered one of them too late.
#[tokio::test(start_paused = true)]
async fn a_server_that_could_not_be_made_out_at_first_is_looked_for_again() {
    for lost in 1..8 {
        let world = World::new();
        for id in 1..=3 {
            world.start(id, 0, T, true);
        }
        world.lose_answers(lost);
        world.settles(one_serves).await;
        assert_eq!(world.announced().len(), 1, "{lost} answers lost");
    }
}
