package http2

import (
	"math"

	h2 "golang.org/x/net/http2"
)

// settingsInFrame is how many settings one frame may have.
const settingsInFrame = 100

// tableMost is how many bytes of fields the encoder remembers.
const tableMost = 4096

// begin sends this end's settings.
func (c *Conn) begin() {
	b := c.bounds
	all := []h2.Setting{
		{ID: h2.SettingMaxFrameSize, Val: uint32(b.Frame)},
		{ID: h2.SettingMaxConcurrentStreams, Val: uint32(b.Streams)},
		{ID: h2.SettingMaxHeaderListSize, Val: uint32(b.HeaderList)},
		{ID: h2.SettingInitialWindowSize, Val: uint32(b.Window)},
	}
	if b.Connect {
		all = append(all, h2.Setting{ID: h2.SettingEnableConnectProtocol, Val: 1})
	}
	c.codec.settings(c, all...)
	c.unacked++
	if more := b.All - c.in.avail; more > 0 {
		c.in.avail += more
		c.codec.windowUpdate(c, 0, more)
	}
}

// settings takes the client's settings, or its acknowledgement of ours.
func (c *Conn) settings(f *h2.SettingsFrame) error {
	if f.IsAck() {
		if c.unacked--; c.unacked < 0 {
			return h2.ConnectionError(h2.ErrCodeProtocol)
		}
		return nil
	}
	c.settled = true
	if !c.calm.settings() || f.NumSettings() > settingsInFrame {
		return h2.ConnectionError(h2.ErrCodeEnhanceYourCalm)
	}
	initial := c.initial
	if err := f.ForeachSetting(c.setting); err != nil {
		return err
	}
	if err := c.enlarge(c.initial - initial); err != nil {
		return err
	}
	c.codec.settingsAck(c)
	return nil
}

func (c *Conn) setting(s h2.Setting) error {
	if err := s.Valid(); err != nil {
		return err
	}
	switch s.ID {
	case h2.SettingHeaderTableSize:
		c.encoder.SetMaxDynamicTableSize(min(s.Val, tableMost))
	case h2.SettingInitialWindowSize:
		c.initial = int64(s.Val)
	case h2.SettingMaxFrameSize:
		c.frame = int(s.Val)
	}
	return nil
}

// enlarge enlarges the windows of all streams. It is called once for a frame: the size
// of new windows may be in it many times.
func (c *Conn) enlarge(more int64) error {
	if more == 0 {
		return nil
	}
	for _, stream := range c.streams {
		if stream.window += more; stream.window > math.MaxInt32 {
			return h2.ConnectionError(h2.ErrCodeFlowControl)
		}
	}
	return nil
}
