#include "suit_scene.h"

static const struct told_partition usual[] = {
	{"nvs", 1, 2, 16384},        {"otadata", 1, 0, 8192},     {"phy_init", 1, 1, 4096},
	{"ota_0", 0, 16, SLOT_SIZE}, {"ota_1", 0, 17, SLOT_SIZE}, {"assets", 1, 130, 8 * MB},
};

void scene_set_partitions(struct scene *s, const struct told_partition *partitions, size_t count)
{
	memcpy(s->told.partitions, partitions, count * sizeof *partitions);
	s->told.partition_count = count;
}

struct scene *scene_fresh(void)
{
	static struct scene s;
	memset(&s, 0, sizeof s);
	s.told.read = s.told.has_elf = true;
	memset(s.told.elf_sha256, 0xec, sizeof s.told.elf_sha256);
	text_copy(s.told.board_name, sizeof s.told.board_name, "bread-compact-ml307");
	text_copy(s.told.board_type, sizeof s.told.board_type, "bread-compact-ml307");
	text_copy(s.told.chip, sizeof s.told.chip, "esp32s3");
	text_copy(s.told.slot, sizeof s.told.slot, "ota_0");
	scene_set_partitions(&s, usual, COUNT(usual));
	s.board = (struct board_facts){.told = &s.told, .bound = true, .auto_update = true};
	s.facts = (struct device_facts){.component = "app", .version = "2.0.4", .board = &s.board};
	text_copy(s.firmware.version, sizeof s.firmware.version, "2.4.2");
	text_copy(s.firmware.image.version, sizeof s.firmware.image.version, "2.4.2");
	text_copy(s.firmware.image.chip, sizeof s.firmware.image.chip, "esp32s3");
	memset(s.firmware.image.elf_sha256, 0x42, sizeof s.firmware.image.elf_sha256);
	s.firmware.artifact.size = 3 * MB;
	s.needs.key = "bread-compact-ml307";
	s.candidate = (struct candidate){.rollout_id = ROLLOUT,
					 .task_id = TASK,
					 .component = "app",
					 .version = s.firmware.version,
					 .code = "",
					 .firmware = &s.firmware,
					 .needs = &s.needs};
	return &s;
}

struct decision scene_decide(struct scene *s, int kind)
{
	s->candidate.push = kind == KIND_PUSH;
	s->candidate.kind = kind == KIND_PUSH ? CANDIDATE_TASK : (enum candidate_kind)kind;
	return decide(&s->facts, &s->candidate, 1, 0, NULL);
}
