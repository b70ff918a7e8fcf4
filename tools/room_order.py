"""tools/rooms.txt as data."""

from pathlib import Path


class Room:
    def __init__(self, rank, name, words):
        self.rank, self.name = int(rank), name
        self.folders = [word for word in words if not word.startswith("+")]
        self.public_only = "+public" in words


def read_rooms(path):
    rooms = []
    for line in Path(path).read_text().splitlines():
        words = line.split()
        if words and words[0].isdigit():
            rooms.append(Room(words[0], words[1], words[2:]))
    return rooms


def room_of(rooms, path):
    """The room whose folder is the file's own; folders inside a room's folder are not its own."""
    folder = str(Path(path).parent)
    return next((room for room in rooms if folder in room.folders), None)
