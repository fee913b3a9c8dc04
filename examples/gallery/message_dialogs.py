"""Message Dialogs: a question that destroys something, an error, and a dialog with an entry in it."""

import gi

gi.require_version("Gtk", "4.0")
from gi.repository import Gtk

from gleenlet.gtk import ask, handler, run_dialog, tell


class Window(Gtk.ApplicationWindow):
    def __init__(self, **properties):
        super().__init__(title="Message Dialogs", default_width=300, default_height=160, **properties)
        self.status = Gtk.Label(label="Nobody has answered yet")
        box = Gtk.Box(orientation=Gtk.Orientation.VERTICAL, spacing=6)
        box.append(self.status)
        for label, method in (("Replace…", self.on_replace), ("Fail…", self.on_fail), ("Log in…", self.on_log_in)):
            button = Gtk.Button(label=label)
            button.connect("clicked", method)
            box.append(button)
        self.set_child(box)

    @handler
    def on_replace(self, _button):
        buttons = {"_Cancel": False, "_Replace": True}
        if ask(self, "Replace the file?", "There is one of that name.", buttons=buttons, destructive="_Replace"):
            self.status.set_label("Replaced")

    @handler
    def on_fail(self, _button):
        tell(self, "That went wrong", "And nothing can be done about it.")
        self.status.set_label("Told")

    @handler
    def on_log_in(self, _button):
        dialog = Gtk.Dialog(title="Log in", transient_for=self, modal=True)
        dialog.add_buttons("_Cancel", Gtk.ResponseType.CANCEL, "_Log in", Gtk.ResponseType.OK)
        entry = Gtk.PasswordEntry(show_peek_icon=True)
        dialog.get_content_area().append(entry)
        if run_dialog(dialog) == Gtk.ResponseType.OK:
            self.status.set_label(f"A password of {len(entry.get_text())} letters")
        dialog.destroy()


app = Gtk.Application(application_id="org.example.MessageDialogs")
app.connect("activate", lambda app: Window(application=app).present())
app.run()
