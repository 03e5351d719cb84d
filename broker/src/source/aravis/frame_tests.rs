use super::*;

fn losses(ids: &[u64], transport: Transport) -> Vec<u32> {
    let mut losses = Losses::new(transport);
    ids.iter().map(|id| losses.arrived(*id, true)).collect()
}

fn underruns(underruns: u64) -> Statistics {
    Statistics { underruns, ..Statistics::default() }
}

fn starved_due(losses: &mut Losses) -> usize {
    std::iter::from_fn(|| losses.take_starved().then_some(())).count()
}

#[test]
fn gaps_of_the_block_id_are_lost_frames() {
    assert_eq!(losses(&[7, 8, 11, 12], Transport::GigE), [0, 0, 2, 0]);
    assert_eq!(losses(&[0, 1, 2, 4], Transport::Usb), [0, 0, 0, 1]);
}

#[test]
fn short_ids_begin_again_at_one() {
    assert_eq!(losses(&[65534, 65535, 1, 2], Transport::GigE), [0, 0, 0, 0]);
    assert_eq!(losses(&[65534, 2], Transport::GigE), [0, 2]);
}

#[test]
fn long_ids_do_not_wrap_at_sixteen_bits() {
    assert_eq!(losses(&[65535, 65536, 65537, 65539], Transport::GigE), [0, 0, 0, 1]);
    assert_eq!(losses(&[65535, 65537], Transport::GigE), [0, 1]);
}

#[test]
fn a_camera_that_counts_anew_has_lost_nothing() {
    assert_eq!(losses(&[500, 1, 2], Transport::GigE), [0, 0, 0]);
    assert_eq!(losses(&[1 << 40, 0, 1], Transport::Usb), [0, 0, 0]);
    assert_eq!(losses(&[1, u64::MAX], Transport::Usb), [0, 0]);
    assert_eq!(losses(&[5, 5, 4, 5], Transport::GigE), [0, 0, 0, 0]);
}

#[test]
fn missing_frames_are_starved_where_no_buffer_was_queued() {
    let mut gige = Losses::new(Transport::GigE);
    gige.observe(&underruns(0), false);
    assert_eq!(gige.arrived(10, true), 0);
    gige.observe(&underruns(370), true);
    assert_eq!(starved_due(&mut gige), 1, "reported at once, though only packets are counted");
    gige.observe(&underruns(740), true);
    assert_eq!(starved_due(&mut gige), 0);
    gige.observe(&underruns(740), false);
    assert_eq!(gige.arrived(14, true), 0);
    assert_eq!(starved_due(&mut gige), 2, "frames 11, 12 and 13, one of which was reported before");
    assert_eq!(gige.arrived(16, true), 1, "15 was lost with buffers queued");
    assert_eq!(gige.starved_total(), 3);
}

#[test]
fn an_underrun_of_the_frame_after_this_one_counts_for_the_gap_behind_it() {
    let mut gige = Losses::new(Transport::GigE);
    assert_eq!(gige.arrived(10, true), 0);
    gige.observe(&underruns(5), false);
    assert_eq!(gige.arrived(11, true), 0);
    gige.observe(&underruns(5), false);
    assert_eq!(gige.arrived(13, true), 0);
    assert_eq!(starved_due(&mut gige), 1);
}

#[test]
fn the_fake_interface_counts_starved_frames_itself() {
    let mut fake = Losses::new(Transport::Fake);
    fake.observe(&underruns(3), true);
    assert_eq!(starved_due(&mut fake), 3);
    assert_eq!(fake.arrived(0, true), 0);
    assert_eq!(fake.arrived(1, true), 0);
}

#[test]
fn usb_frames_are_starved_only_where_the_driver_had_no_segment() {
    let mut usb = Losses::new(Transport::Usb);
    usb.observe(&underruns(9), true);
    assert_eq!((usb.arrived(0, true), usb.arrived(2, true)), (0, 1));
    usb.ran_dry();
    assert_eq!(usb.arrived(5, true), 0);
    assert_eq!(starved_due(&mut usb), 2);
}

#[test]
fn frames_that_are_not_delivered_count_as_lost_with_the_next() {
    let mut gige = Losses::new(Transport::GigE);
    assert_eq!(gige.arrived(1, true), 0);
    assert_eq!(gige.arrived(3, false), 0);
    assert_eq!(gige.arrived(4, false), 0);
    assert_eq!(gige.arrived(5, true), 3, "2 missing, 3 and 4 not delivered");
}

fn report(width: u32, height: u32) -> Report {
    Report {
        status: Status::Complete,
        is_image: true,
        has_chunks: false,
        frame_id: 5,
        timestamp_ns: 99,
        region: Region { width, height, offset_x: 4, offset_y: 8 },
        pixel_format: MONO8,
        data_bytes: 1 << 20,
    }
}

/// PFNC Mono8.
const MONO8: u32 = 0x0108_0001;

fn layout(payload_bytes: usize) -> Layout {
    let region = Region { width: 64, height: 32, offset_x: 0, offset_y: 0 };
    Layout { payload_bytes, region, pixel_format: PixelFormat::from_code(MONO8), line_pitch: None }
}

#[test]
fn a_frame_that_does_not_fit_its_segment_is_none() {
    assert!(frame_info(&report(64, 32), &layout(2048), 2048).is_some());
    assert_eq!(frame_info(&report(64, 33), &layout(2048), 2048), None);
    assert_eq!(frame_info(&report(u32::MAX, u32::MAX), &layout(2048), 2048), None);
    assert_eq!(frame_info(&report(0, 32), &layout(2048), 2048), None);
    assert_eq!(frame_info(&Report { is_image: false, ..report(64, 32) }, &layout(2048), 2048), None);
}

#[test]
fn an_incomplete_frame_has_the_geometry_the_camera_is_set_to() {
    let no_leader = Report { status: Status::Incomplete, is_image: false, ..report(0, 0) };
    let info = frame_info(&no_leader, &layout(2048), 2048).unwrap();
    assert_eq!((info.width, info.height, info.image_bytes, info.complete), (64, 32, 2048, false));
    assert_eq!(frame_info(&no_leader, &layout(2048), 2047), None);
    assert_eq!(frame_info(&Report { status: Status::NoFrame, ..no_leader }, &layout(2048), 2048), None);
}

#[test]
fn chunk_data_follows_the_image_up_to_the_payload() {
    let with_chunks = Report { has_chunks: true, ..report(64, 32) };
    let info = frame_info(&with_chunks, &layout(2048 + 40), 4096).unwrap();
    assert_eq!((info.image_bytes, info.chunk_bytes, info.stride), (2048, 40, 64));
    let without = frame_info(&report(64, 32), &layout(2048 + 40), 4096).unwrap();
    assert_eq!(without.chunk_bytes, 0);
}

#[test]
fn padded_rows_are_as_long_as_the_camera_says() {
    let padded = Layout { line_pitch: Some(80), ..layout(80 * 32) };
    let info = frame_info(&report(64, 32), &padded, 4096).unwrap();
    assert_eq!((info.image_bytes, info.stride), (2560, 80));
    let other_width = frame_info(&report(32, 32), &padded, 4096).unwrap();
    assert_eq!((other_width.image_bytes, other_width.stride), (1024, 32));
}
