/* rig_folder.h - the folder of a test's own, and its end. */
#ifndef RIG_FOLDER_H
#define RIG_FOLDER_H

/* Removes a folder with all that is in it; 0, or -1 when something stays. Links are not followed.
 */
int rig_folder_remove(const char *path);

#endif
