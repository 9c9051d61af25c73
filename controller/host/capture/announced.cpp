// SPDX-License-Identifier: Apache-2.0
#include "controller/host/capture/announced.h"

#include <utility>

namespace keyscribe::capture {
namespace {

bool is_same_image(const events::Actor& one, const events::Actor& other) {
    return one.start_time == other.start_time && one.pid == other.pid &&
           one.exec_id == other.exec_id;
}

}  // namespace

bool Announced::take(const events::KeyEvent& event) {
    const events::Actor& actor = event.actor;
    if (event.operation == KS_OP_EXECUTABLE) {
        auto& place = images_[actor.pid % KS_PLACES];
        // Told again, of a file that was replaced: the former is not needed any more.
        if (!is_same_image(place[0], actor)) place[1] = std::move(place[0]);
        place[0] = actor;
        return true;
    }
    if (event.operation == KS_OP_CGROUP) {
        auto& place = cgroups_[actor.cgroup_id % KS_PLACES];
        if (place[0].id != actor.cgroup_id) place[1] = std::move(place[0]);
        place[0] = {actor.cgroup_id, actor.cgroup};
        return true;
    }
    return false;
}

void Announced::complete(events::Actor& actor) const {
    if (actor.start_time != 0)
        for (const events::Actor& announced : images_[actor.pid % KS_PLACES])
            if (is_same_image(announced, actor)) {
                actor.exe_ino = announced.exe_ino;
                actor.exe_dev = announced.exe_dev;
                actor.exe_generation = announced.exe_generation;
                actor.exe = announced.exe;
                actor.exe_mnt_ns = announced.exe_mnt_ns;
                actor.exe_now = announced.exe_now;
                break;
            }
    for (const Cgroup& announced : cgroups_[actor.cgroup_id % KS_PLACES])
        if (announced.id == actor.cgroup_id) {
            actor.cgroup = announced.path;
            break;
        }
}

}  // namespace keyscribe::capture
