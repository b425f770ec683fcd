/* Why a device is offered something, or nothing: a rule, a number and what the rule compared; the sentences (English, Chinese) stand in one
 * table. */
#ifndef MODEL_REASON_H
#define MODEL_REASON_H

#include <stdbool.h>
#include <stdint.h>

struct buf;

/* R(symbol, name, en, zh). Places in the sentences: {n} the number of the task or rollout, {has} what the device has, {wants} what the
 * rollout brings or needs. The rules of an image (model/suit.h) stand in the order in which they are asked. */
#define REASON_TABLE(R)                                                                                                                \
	R(LIVE_TASK, "live_task", "task {n} is under way for this device", "设备有进行中的任务 {n}")                                   \
	R(ASSIGNED, "assigned", "firmware assignment {n} names this device", "设备已被指定固件,记录 {n}")                              \
	R(STANDING, "standing", "standing rollout {n} covers this device's product", "产品级发布 {n} 适用于该设备")                    \
	R(BLOCKED, "blocked", "an operator has blocked this device", "该设备已被管理员禁用")                                           \
	R(NO_CANDIDATE, "no_candidate", "no rollout names this device or its product", "没有任何发布涉及该设备或其产品")               \
	R(OTHER_COMPONENT, "other_component", "rollout {n} is for another component", "发布 {n} 针对其他组件")                         \
	R(ENDED, "ended", "rollout {n} has ended", "发布 {n} 已结束")                                                                  \
	R(ON_TARGET, "on_target", "the device already runs what rollout {n} brings", "设备已是发布 {n} 的目标版本")                    \
	R(OFFER_CAP, "offer_cap", "rollout {n} was offered three times without success", "发布 {n} 已提供三次仍未成功")                \
	R(TURN_CAP, "turn_cap", "rollout {n} gave way to others thirty times before the device began; it must be ordered again",       \
	  "发布 {n} 在设备开始前已三十次让位给其他发布,需重新下发")                                                                    \
	R(ROLLED_BACK, "rolled_back", "the device rolled back from rollout {n}; an operator must order it again",                      \
	  "设备已从发布 {n} 回滚,需操作员重新下发")                                                                                    \
	R(WITHDRAWN, "withdrawn", "an operator cancelled rollout {n} for this device; it must be ordered again",                       \
	  "操作员已为该设备取消发布 {n},需重新下发")                                                                                   \
	R(OUTRANKED, "outranked", "a newer order for this device alone stands above rollout {n}", "该设备有比发布 {n} 更新的单独指令") \
	R(UNREAD, "unread", "the body of the device's check was not readable, so rollout {n} waits for one that is",                   \
	  "设备的检查请求正文无法解析,发布 {n} 等待下一次可解析的请求")                                                                \
	R(UNBOUND, "unbound", "the device is not activated, and its product gives rollout {n} to activated devices only",              \
	  "设备尚未激活,其产品仅向已激活的设备提供发布 {n}")                                                                           \
	R(AUTO_UPDATE_OFF, "auto_update_off", "automatic updates are switched off for this device, so rollout {n} waits",              \
	  "该设备已关闭自动升级,发布 {n} 暂不提供")                                                                                    \
	R(NO_IMAGE, "no_image", "the firmware of rollout {n} is no ESP-IDF app image", "发布 {n} 的固件不是 ESP-IDF 应用镜像")         \
	R(OTHER_BOARD, "other_board", "the device's board is {has}, which product {wants} of rollout {n} does not list",               \
	  "设备的开发板为 {has},不在发布 {n} 所属产品 {wants} 的列表中")                                                               \
	R(ODD_VERSION, "odd_version", "the device runs version {has}; it would abort while comparing that with rollout {n}",           \
	  "设备当前版本为 {has},与发布 {n} 比较时设备会崩溃")                                                                          \
	R(ODD_IMAGE, "odd_image", "the image of rollout {n} has version {wants}; devices abort on what is no dotted number",           \
	  "发布 {n} 的镜像版本为 {wants},不是点分数字,设备解析时会崩溃")                                                               \
	R(OTHER_CHIP, "other_chip", "the device has chip {has}, the image of rollout {n} is for {wants}",                              \
	  "设备芯片为 {has},发布 {n} 的镜像适用于 {wants}")                                                                            \
	R(NO_SLOTS, "no_slots", "the device tells of no two app slots, ota_0 and ota_1, as rollout {n} needs",                         \
	  "设备未报告发布 {n} 所需的两个应用分区 (ota_0 和 ota_1)")                                                                    \
	R(SLOT_TOO_SMALL, "slot_too_small", "the image of rollout {n} has {wants} bytes, the app slot for it {has}",                   \
	  "发布 {n} 的镜像为 {wants} 字节,设备的目标应用分区只有 {has} 字节")                                                          \
	R(NO_PARTITION, "no_partition", "the device has no partition {wants}, which the product of rollout {n} requires",              \
	  "设备没有分区 {wants},而发布 {n} 所属产品要求该分区")                                                                        \
	R(NOT_NEWER, "not_newer", "the device runs {has}; rollout {n} brings {wants}, which is not newer",                             \
	  "设备当前版本为 {has},发布 {n} 的版本 {wants} 并不更新")                                                                     \
	R(NAMED, "named", "the range {has} of rollout {n} names this device", "发布 {n} 的范围 {has} 包含该设备")                      \
	R(NOT_NAMED, "not_named", "no range of rollout {n} names this device", "发布 {n} 没有任何范围包含该设备")                      \
	R(INVALID, "invalid", "rollout {n} is invalid: it is for nobody", "发布 {n} 已标记为无效,不提供给任何设备")                    \
	R(ELSEWHERE, "elsewhere", "the file of task {n} is on another server: its download is not seen, the device's report ends it",  \
	  "任务 {n} 的文件在其他服务器上:无法看到下载过程,任务以设备的版本上报结束")

enum reason_id {
#define R(symbol, name, en, zh) REASON_##symbol,
	REASON_TABLE(R)
#undef R
		REASON_COUNT
};

/* One side of what a rule compared: a text, or (text NULL) a number. */
struct reason_value {
	const char *text; /* not owned: into the facts or the candidate that were judged; "" = not told */
	int64_t number;
};

struct reason {
	enum reason_id id;
	int64_t number;
	struct reason_value has;
	struct reason_value wants;
};

const char *reason_name(enum reason_id id); /* "live_task": stable, for machines */

/* Appends the sentence. */
void reason_print(const struct reason *reason, bool chinese, struct buf *out);

#endif
